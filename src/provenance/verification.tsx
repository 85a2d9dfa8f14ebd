import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandIDs } from '../commands';
import {
  Button,
  Duration,
  ErrorView,
  Link,
  Progress,
  RelativeTime,
  Section,
  StatusBadge,
  useChanged,
  useServices,
  useTrans
} from '../components';
import { attempt } from '../components/notify';
import type { ReproductionModel } from './reproduction-model';
import { isGoing } from './reproduction-model';
import type { InputDifference, Verification, VerifiedCell } from './types';

/** Cells, metrics, files that are listed. */
const SHOWN = 30;

interface IProps {
  model: ReproductionModel;
  /** Workspace path of the run's notebook; empty: it has none. */
  notebook: string;
}

/** How the verification of a run stands, or how it ended; nothing before there was one. */
export function VerificationSection(props: IProps): JSX.Element | null {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const { data, error } = model.query;
  if (error) {
    return (
      <Section title={trans.__('Verification')}>
        <ErrorView
          error={error}
          trans={trans}
          onRetry={() => void model.query.refresh()}
        />
      </Section>
    );
  }
  if (!data) {
    return null;
  }
  return (
    <Section title={trans.__('Verification')}>
      <p className="jp-mlops-Verification-head" role="status">
        <Verdict verification={data} />
        <span className="jp-mlops-Muted">
          {data.present
            ? trans.__('on the present files')
            : trans.__("on the run's own files")}
          {' · '}
          <RelativeTime at={data.started_at} />
          {' · '}
          <Duration start={data.started_at} end={data.ended_at} />
        </span>
      </p>
      {isGoing(data) && <Going {...props} verification={data} />}
      {data.error && <ErrorView error={data.error} trans={trans} />}
      {data.first && <First {...props} verification={data} />}
      <Differences verification={data} />
      {data.cells.length > 0 && <Cells {...props} verification={data} />}
    </Section>
  );
}

function Verdict({
  verification
}: {
  verification: Verification;
}): JSX.Element {
  const trans = useTrans();
  const { status } = verification;
  switch (status) {
    case 'equal':
      return (
        <span className="jp-mlops-Verdict" data-verdict="equal">
          <span aria-hidden="true">= </span>
          {trans.__('Equal: the same results again')}
        </span>
      );
    case 'drifted':
      return (
        <span className="jp-mlops-Verdict" data-verdict="drifted">
          <span aria-hidden="true">≠ </span>
          {trans.__('Drifted: other results than then')}
        </span>
      );
    default:
      return <StatusBadge status={status} />;
  }
}

function Going(props: IProps & { verification: Verification }): JSX.Element {
  const { model, verification } = props;
  const trans = useTrans();
  const { cells_done: done, cells_total: total } = verification;
  return (
    <div className="jp-mlops-Cells">
      <Progress
        value={done}
        max={total}
        label={trans.__('Cells that ran again')}
      />
      <span>{trans.__('%1 of %2 cells', done, total)}</span>
      <Button onClick={() => void attempt(trans, () => model.cancel())}>
        {trans.__('Cancel')}
      </Button>
    </div>
  );
}

/** The first cell that diverged, and what was different before it. */
function First(props: IProps & { verification: Verification }): JSX.Element {
  const { verification } = props;
  const trans = useTrans();
  const { first, cells } = verification;
  const cell = cells.find(each => each.index === first?.cell);
  const later = cells.filter(each => each.status === 'drifted').length - 1;
  return (
    <div
      className="jp-mlops-Card"
      role="group"
      aria-label={trans.__('First cell that differs')}
    >
      <p>
        {trans.__('The first cell that differs:')}{' '}
        {cell && <CellName {...props} cell={cell} />}
      </p>
      {first?.why && <p>{first.why}</p>}
      {first && first.inputs.length > 0 && (
        <>
          <p className="jp-mlops-Muted">
            {trans.__('What was different before it')}
          </p>
          <ul>
            {first.inputs.map(input => (
              <li key={`${input.kind} ${input.name}`}>
                <Input input={input} />
              </li>
            ))}
          </ul>
        </>
      )}
      {first && first.results.length > 0 && (
        <>
          <p className="jp-mlops-Muted">
            {trans.__('What it made differently')}
          </p>
          <ul>
            {first.results.map(result => (
              <li key={`${result.kind} ${result.name}`}>
                <code>{result.name}</code> ({kindOf(result.kind, trans)})
              </li>
            ))}
          </ul>
        </>
      )}
      {later > 0 && (
        <p className="jp-mlops-Muted">
          {trans._n(
            '%1 later execution differs, too.',
            '%1 later executions differ, too.',
            later
          )}
        </p>
      )}
    </div>
  );
}

function Input({ input }: { input: InputDifference }): JSX.Element {
  const trans = useTrans();
  const { kind, name, then, now, detail } = input;
  return (
    <>
      {kindOf(kind, trans)} <code>{name}</code>
      {(then || now) && (
        <span className="jp-mlops-Muted">
          {' '}
          {trans.__(
            '%1 then, %2 now',
            then ? short(then) : trans.__('nothing'),
            now ? short(now) : trans.__('nothing')
          )}
        </span>
      )}
      {detail && <div>{detail}</div>}
    </>
  );
}

/** Metrics, parameters, packages, files that are not what they were. */
function Differences({
  verification
}: {
  verification: Verification;
}): JSX.Element | null {
  const trans = useTrans();
  const { metrics, params, packages, data, notes } = verification;
  const lines = [
    ...metrics
      .filter(metric => !metric.equal)
      .map(metric =>
        trans.__(
          'Metric %1: %2 then, %3 now',
          metric.name,
          metric.then || '–',
          metric.now || '–'
        )
      ),
    ...params.map(param =>
      trans.__(
        'Parameter %1: %2 then, %3 now',
        param.name,
        param.then || '–',
        param.now || '–'
      )
    ),
    ...packages.map(each =>
      trans.__(
        '%1: %2 then, %3 now',
        each.name,
        each.then || '–',
        each.now || '–'
      )
    ),
    ...data
      .filter(file => file.state !== 'as it was' && file.state !== 'copied')
      .map(file => `${file.path}: ${file.state}`),
    ...notes
  ];
  return lines.length ? (
    <ul className="jp-mlops-Verification-lines">
      {lines.slice(0, SHOWN).map(line => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  ) : null;
}

function Cells(props: IProps & { verification: Verification }): JSX.Element {
  const { verification } = props;
  const trans = useTrans();
  return (
    <details>
      <summary>
        {trans._n('%1 cell', '%1 cells', verification.cells.length)}
      </summary>
      <table
        className="jp-mlops-Values"
        aria-label={trans.__('Cells that were run again')}
      >
        <tbody>
          {verification.cells.map(cell => (
            <tr key={cell.index}>
              <th scope="row">
                <CellName {...props} cell={cell} />
              </th>
              <td title={cell.note}>{cellWord(cell, trans)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function CellName(props: IProps & { cell: VerifiedCell }): JSX.Element {
  const { model, notebook, cell } = props;
  const { commands, trans } = useServices();
  const label = `${trans.__('In [%1]', cell.count)} ${cell.title}`;
  return notebook ? (
    <Link
      title={trans.__('Open %1 at this cell', notebook)}
      onClick={() => {
        void commands.execute(CommandIDs.showCell, {
          path: notebook,
          execution: cell.execution,
          count: String(cell.count),
          workspace: model.workspace.root
        });
      }}
    >
      {label}
    </Link>
  ) : (
    <span>{label}</span>
  );
}

function cellWord(cell: VerifiedCell, trans: TranslationBundle): string {
  switch (cell.status) {
    case 'equal':
      return trans.__('= equal');
    case 'drifted':
      return trans.__('≠ drifted');
    case 'not compared':
      return trans.__('not compared');
    case 'not run':
      return trans.__('not run');
  }
}

function kindOf(kind: string, trans: TranslationBundle): string {
  switch (kind) {
    case 'module':
      return trans.__('module');
    case 'file':
      return trans.__('file');
    case 'data':
      return trans.__('data');
    case 'package':
      return trans.__('package');
    case 'options':
      return trans.__('option');
    case 'generator':
      return trans.__('random generator');
    case 'variable':
      return trans.__('variable');
    case 'output':
      return trans.__('output');
    case 'status':
      return trans.__('how it ended');
    case 'metric':
      return trans.__('metric');
    case 'param':
      return trans.__('parameter');
    default:
      return kind;
  }
}

/** Digests in a length that tells two apart; versions as they are. */
function short(text: string): string {
  return /^[0-9a-f]{32,}$/.test(text) ? text.slice(0, 8) : text;
}
