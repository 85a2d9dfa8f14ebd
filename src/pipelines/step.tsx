import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import { useId } from 'react';
import { CommandIDs } from '../commands';
import {
  Button,
  Duration,
  ErrorView,
  Link,
  Progress,
  QueryState,
  StatusBadge,
  useChanged,
  useServices,
  useTrans
} from '../components';
import { formatBytes } from '../components/format';
import type { PipelineRunModel } from './run-model';
import type { StepRun, StepRunDetail } from './types';

interface IProps {
  model: PipelineRunModel;
  step: StepRun;
}

/** One step of a run: how far it is, what went wrong, and its cells on demand. */
export function Step(props: IProps): JSX.Element {
  const { model, step } = props;
  const { commands, trans } = useServices();
  const id = useId();
  const open = model.isOpen(step.name);
  const Caret = open ? caretDownIcon : caretRightIcon;
  const openNotebook = () => {
    void commands.execute(CommandIDs.openPath, {
      path: step.notebook,
      workspace: model.workspace.root
    });
  };
  const openExecuted = () => {
    void commands.execute(CommandIDs.openExecuted, {
      id: model.id,
      step: step.name,
      workspace: model.workspace.root
    });
  };
  return (
    <li className="jp-mlops-Step" data-step={step.name}>
      <div className="jp-mlops-Step-head">
        <button
          type="button"
          className="jp-mlops-Step-toggle"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => model.toggle(step.name)}
        >
          <Caret.react tag="span" className="jp-mlops-Icon" />
          <strong>{step.name}</strong>
        </button>
        <StatusBadge status={step.status} />
        <span className="jp-mlops-Muted">
          <Duration start={step.started_at} end={step.ended_at} />
          {step.attempt > 1 && ` · ${trans.__('attempt %1', step.attempt)}`}
        </span>
        <span className="jp-mlops-Step-links">
          <Link onClick={openNotebook}>{step.notebook}</Link>
          {step.output_notebook && (
            <Link onClick={openExecuted}>{trans.__('Executed notebook')}</Link>
          )}
        </span>
      </div>
      <CellsDone model={model} step={step} />
      {step.error && (
        <ErrorView error={step.error} trans={trans}>
          <Traceback step={step} />
          {step.output_notebook && (
            <Button primary onClick={openExecuted}>
              {trans.__('Open executed notebook')}
            </Button>
          )}
        </ErrorView>
      )}
      <div id={id}>{open && <Details model={model} step={step} />}</div>
    </li>
  );
}

function CellsDone(props: IProps): JSX.Element | null {
  const { model, step } = props;
  const trans = useTrans();
  if (!step.cells_total) {
    return null;
  }
  return (
    <div className="jp-mlops-Cells">
      <Progress
        value={step.cells_done}
        max={step.cells_total}
        label={trans.__('Cells of %1 done', step.name)}
      />
      <span>
        {trans.__('%1 of %2 cells', step.cells_done, step.cells_total)}
      </span>
      {step.status === 'running' && step.current_cell !== null && (
        <CurrentCell model={model} step={step} />
      )}
    </div>
  );
}

/** The title of the cell that runs now. */
function CurrentCell(props: IProps): JSX.Element {
  const { model, step } = props;
  const detail = model.detail(step.name);
  useChanged(detail);
  const cell = detail.data?.cells.find(c => c.index === step.current_cell);
  return (
    <span className="jp-mlops-CurrentCell jp-mlops-Ellipsis">
      {cell?.title ?? ''}
    </span>
  );
}

function Traceback(props: { step: StepRun }): JSX.Element | null {
  const trans = useTrans();
  const { traceback } = props.step.error?.details ?? {};
  const text = Array.isArray(traceback)
    ? traceback.join('\n')
    : typeof traceback === 'string'
      ? traceback
      : '';
  if (!text) {
    return null;
  }
  return (
    <details>
      <summary>{trans.__('Traceback')}</summary>
      <pre>{withoutAnsi(text)}</pre>
    </details>
  );
}

function Details(props: IProps): JSX.Element {
  const { model, step } = props;
  const trans = useTrans();
  const query = model.detail(step.name);
  useChanged(query);
  if (!query.data) {
    return <QueryState query={query} quiet />;
  }
  const { cells, outputs, log, parameters, needs } = query.data;
  return (
    <div className="jp-mlops-Step-body">
      {needs.length > 0 && (
        <p className="jp-mlops-Muted">
          {trans.__('After: %1', needs.join(', '))}
        </p>
      )}
      {Object.keys(parameters).length > 0 && (
        <p className="jp-mlops-Muted">
          {trans.__(
            'Parameters: %1',
            Object.entries(parameters)
              .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
              .join(', ')
          )}
        </p>
      )}
      <CellTable cells={cells} />
      <Outputs outputs={outputs} />
      {log && (
        <details>
          <summary>{trans.__('Log')}</summary>
          <pre className="jp-mlops-Log">{withoutAnsi(log)}</pre>
        </details>
      )}
    </div>
  );
}

function CellTable(props: {
  cells: StepRunDetail['cells'];
}): JSX.Element | null {
  const trans = useTrans();
  if (!props.cells.length) {
    return null;
  }
  return (
    <table className="jp-mlops-Values" aria-label={trans.__('Cells')}>
      <tbody>
        {props.cells.map(cell => (
          <tr key={cell.index} data-status={cell.status}>
            <td>
              <StatusBadge status={cell.status} compact />
            </td>
            <th scope="row">
              {cell.title}
              {cell.action === 'cached' && (
                <small
                  title={trans.__(
                    'An earlier execution had the same code and inputs; its results were taken.'
                  )}
                >
                  {' '}
                  {trans.__('from the cache')}
                </small>
              )}
              {cell.action === 'replayed' && (
                <small title={cell.why}> {trans.__('run again')}</small>
              )}
            </th>
            <td data-numeric>
              <Duration start={cell.started_at} end={cell.ended_at} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Outputs(props: {
  outputs: StepRunDetail['outputs'];
}): JSX.Element | null {
  const trans = useTrans();
  if (!props.outputs.length) {
    return null;
  }
  return (
    <table className="jp-mlops-Values" aria-label={trans.__('Outputs')}>
      <caption>{trans.__('Outputs')}</caption>
      <tbody>
        {props.outputs.map(output => (
          <tr key={output.name}>
            <th scope="row">{output.name}</th>
            <td>{output.summary}</td>
            <td data-numeric>{formatBytes(output.size)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Remove the colour codes that IPython puts into tracebacks. */
export function withoutAnsi(text: string): string {
  // The escape character is what is looked for.
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');
}
