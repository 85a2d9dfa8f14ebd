import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandIDs } from '../commands';
import {
  ErrorView,
  Link,
  useChanged,
  useServices,
  useTrans
} from '../components';
import type { ReproductionModel } from './reproduction-model';
import { isGoing } from './reproduction-model';
import type { InputDifference, Verification, VerifiedCell } from './types';
import { Going, Lines, Verdict, WorkSection } from './work';

interface IProps {
  model: ReproductionModel;
  /** Workspace path of the run's notebook; empty: it has none. */
  notebook: string;
}

/** How the verification of a run stands, or how it ended; nothing before there was one. */
export function VerificationSection(props: IProps): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  return (
    <WorkSection
      title={trans.__('Verification')}
      query={model.query}
      verdict={({ status }) => (
        <Verdict
          status={status}
          good={['equal', trans.__('Equal: the same results again')]}
          bad={['drifted', trans.__('Drifted: other results than then')]}
        />
      )}
      subject={({ present }) =>
        present
          ? trans.__('on the present files')
          : trans.__("on the run's own files")
      }
    >
      {data => (
        <>
          {isGoing(data) && (
            <Going
              done={data.cells_done}
              total={data.cells_total}
              label={trans.__('Cells that ran again')}
              said={trans.__(
                '%1 of %2 cells',
                data.cells_done,
                data.cells_total
              )}
              cancel={() => model.cancel()}
            />
          )}
          {data.error && <ErrorView error={data.error} trans={trans} />}
          {data.first && <First {...props} verification={data} />}
          <Lines lines={differences(data, trans)} />
          {data.cells.length > 0 && <Cells {...props} verification={data} />}
        </>
      )}
    </WorkSection>
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
function differences(
  verification: Verification,
  trans: TranslationBundle
): string[] {
  const { metrics, params, packages, data, notes } = verification;
  const then = (name: string, each: { then: string; now: string }) =>
    trans.__('%1: %2 then, %3 now', name, each.then || '–', each.now || '–');
  return [
    ...metrics
      .filter(metric => !metric.equal)
      .map(metric => then(trans.__('Metric %1', metric.name), metric)),
    ...params.map(param => then(trans.__('Parameter %1', param.name), param)),
    ...packages.map(each => then(each.name, each)),
    ...data
      .filter(file => file.state !== 'as it was' && file.state !== 'copied')
      .map(file => `${file.path}: ${file.state}`),
    ...notes
  ];
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
        className="jp-mlops-Values jp-mlops-Verification-cells"
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
