import { undoIcon } from '@jupyterlab/ui-components';
import type { IServices } from '../components';
import {
  Button,
  EmptyState,
  QueryState,
  useChanged,
  useTrans,
  viewOf
} from '../components';
import type { IView } from '../components/lazy';
import type { IWorkspace } from '../workspace/tokens';
import { HistoryActions } from './actions';
import { DiffModel } from './diff-model';
import type { IOpenNotebooks } from './open-notebooks';
import { causeLabel, formatMoment } from './text';
import type { CellDiff, NotebookDiff, NotebookVersion } from './types';

interface IOptions {
  services: IServices;
  notebooks: IOpenNotebooks;
  workspace: IWorkspace;
  path: string;
  base: string;
  other: string;
}

/** The page that shows how a version differs from another one, or from the file. */
export function createDiffPage(options: IOptions): IView {
  const { services, notebooks, workspace, path, base, other } = options;
  const model = new DiffModel(services, workspace, path, base, other);
  const actions = new HistoryActions(services, notebooks);
  return viewOf(services, model, <DiffPage model={model} actions={actions} />);
}

interface IProps {
  model: DiffModel;
  actions: HistoryActions;
}

export function DiffPage(props: IProps): JSX.Element {
  const { model, actions } = props;
  const trans = useTrans();
  useChanged(model);
  const { data, error } = model.diff;
  const versions = model.versions.data?.items ?? [];
  const base = versions.find(version => version.id === model.base);
  const place = versions.findIndex(version => version.id === model.base);
  const before = place >= 0 ? versions[place + 1] : undefined;
  const label = (version: NotebookVersion) =>
    [version.name, formatMoment(version.created_at), causeLabel(version, trans)]
      .filter(Boolean)
      .join(' · ');
  return (
    <article aria-label={trans.__('Versions of %1', model.path)}>
      <header className="jp-mlops-PageHead">
        <div>
          <h1>{model.path}</h1>
          <p>{base ? label(base) : model.base}</p>
        </div>
        <Button
          icon={undoIcon}
          disabled={!base || model.versions.data?.current === model.base}
          onClick={() => {
            if (base) {
              void actions.restore(model.path, base.id, base.created_at);
            }
          }}
        >
          {trans.__('Restore this version')}
        </Button>
      </header>
      <div className="jp-mlops-Diff-choice">
        <label>
          {trans.__('Compare with')}{' '}
          <select
            className="jp-mlops-Input"
            value={model.other}
            onChange={event => model.compareWith(event.target.value)}
          >
            <option value="">{trans.__('the file as it is now')}</option>
            {versions
              .filter(version => version.id !== model.base)
              .map(version => (
                <option key={version.id} value={version.id}>
                  {version.id === before?.id
                    ? trans.__('the version before: %1', label(version))
                    : label(version)}
                </option>
              ))}
          </select>
        </label>
        {before && model.other !== before.id && (
          <Button onClick={() => model.compareWith(before.id)}>
            {trans.__('What did this version change?')}
          </Button>
        )}
      </div>
      <QueryState query={model.diff} />
      {data && !error && <Diff diff={data} />}
    </article>
  );
}

function Diff(props: { diff: NotebookDiff }): JSX.Element {
  const { diff } = props;
  const trans = useTrans();
  return (
    <>
      {!diff.cells.length && !diff.metadata.length ? (
        <EmptyState title={trans.__('The two are equal, cell by cell.')} />
      ) : (
        <p className="jp-mlops-Muted">
          {trans._n('%1 cell differs', '%1 cells differ', diff.cells.length)}
          {' · '}
          {trans._n('%1 is equal', '%1 are equal', diff.same)}
        </p>
      )}
      {diff.metadata.length > 0 && (
        <p className="jp-mlops-Muted">
          {trans.__(
            'Metadata of the notebook differs: %1',
            diff.metadata.join(', ')
          )}
        </p>
      )}
      {diff.cells.map(cell => (
        <Cell key={`${cell.base}-${cell.other}`} cell={cell} />
      ))}
      {diff.truncated && (
        <p className="jp-mlops-Muted">
          {trans.__('There is more than is shown.')}
        </p>
      )}
    </>
  );
}

function Cell(props: { cell: CellDiff }): JSX.Element {
  const { cell } = props;
  const trans = useTrans();
  const titles = {
    added: trans.__('Cell %1 added', cell.other),
    removed: trans.__('Cell %1 removed', cell.base),
    changed: trans.__('Cell %1 changed', cell.other),
    moved: trans.__('Cell %1 moved to %2', cell.base, cell.other)
  };
  return (
    <section
      className="jp-mlops-Diff-cell"
      aria-label={titles[cell.kind]}
      data-kind={cell.kind}
    >
      <h2>
        {titles[cell.kind]}
        {cell.cell_type !== 'code' && ` (${cell.cell_type})`}
      </h2>
      {cell.lines.length > 0 && <Lines lines={cell.lines} />}
      {cell.outputs_changed && (
        <div className="jp-mlops-Diff-outputs">
          <h3>{trans.__('Outputs')}</h3>
          <Lines
            lines={[
              ...cell.outputs_base.map(text => ({ op: '-' as const, text })),
              ...cell.outputs_other.map(text => ({ op: '+' as const, text }))
            ]}
          />
        </div>
      )}
      {cell.metadata.length > 0 && (
        <p className="jp-mlops-Muted">
          {trans.__('Metadata differs: %1', cell.metadata.join(', '))}
        </p>
      )}
    </section>
  );
}

/** Lines with a sign before each that is only in one of the two. */
function Lines(props: { lines: CellDiff['lines'] }): JSX.Element {
  const trans = useTrans();
  const spoken = {
    '+': trans.__('added:'),
    '-': trans.__('removed:'),
    ' ': '',
    '@': ''
  };
  return (
    <pre className="jp-mlops-Diff-lines">
      {props.lines.map((line, index) =>
        line.op === '@' ? (
          <span key={index} className="jp-mlops-Diff-gap" aria-hidden="true">
            ⋯{'\n'}
          </span>
        ) : (
          <span key={index} className="jp-mlops-Diff-line" data-op={line.op}>
            <span aria-hidden="true">{line.op} </span>
            {spoken[line.op] && (
              <span className="jp-mlops-Hidden">{spoken[line.op]} </span>
            )}
            {line.text}
            {'\n'}
          </span>
        )
      )}
    </pre>
  );
}
