import { Notification } from '@jupyterlab/apputils';
import {
  caretDownIcon,
  caretRightIcon,
  undoIcon
} from '@jupyterlab/ui-components';
import { Fragment, useEffect, useId, useRef, useState } from 'react';
import type { IServices } from '../components';
import {
  Button,
  Duration,
  EmptyState,
  IconButton,
  QueryState,
  RelativeTime,
  Section,
  StatusBadge,
  statusLabel,
  useChanged,
  useTrans
} from '../components';
import { ExecutionBody } from './execution-body';
import { ExecutionsModel } from './executions-model';
import type { IOpenNotebooks } from './open-notebooks';
import { goToIcon } from './icons';
import type { ExecutionsSection } from './panel';
import { TimeTravel, hasState } from './time-travel';
import type { ExecutionStatus, ListedExecution } from './types';

const STATUSES: readonly ExecutionStatus[] = [
  'succeeded',
  'failed',
  'interrupted',
  'died',
  'cached',
  'running'
];

const LOAD = '%load_ext jupyter_mlops';
const SETTING = '[cells]\nevery_kernel = true';

/** The section of the History panel that lists the executions of the notebook's cells. */
export function createExecutionsSection(
  services: IServices,
  notebooks: IOpenNotebooks
): ExecutionsSection {
  const travel = new TimeTravel(services, notebooks);
  return function ExecutionsOf({ path, active }) {
    const [model, setModel] = useState<ExecutionsModel | null>(null);
    useEffect(() => {
      const made = new ExecutionsModel(services, path);
      setModel(made);
      return () => made.dispose();
    }, [path]);
    useEffect(() => model?.setActive(active), [model, active]);
    return (
      model && (
        <Executions
          model={model}
          reveal={row => revealCell(services, notebooks, model, row)}
          travel={travel}
        />
      )
    );
  };
}

async function revealCell(
  services: IServices,
  notebooks: IOpenNotebooks,
  model: ExecutionsModel,
  row: ListedExecution
): Promise<void> {
  const { trans } = services;
  const path = model.workspace?.toLab(model.path);
  if (!path || !(await notebooks.reveal(path, row.cell_id))) {
    Notification.warning(
      trans.__(
        'The cell of In [%1] is no longer in the notebook. Open the execution to see its code as it ran.',
        row.count
      ),
      { autoClose: 6000 }
    );
  }
}

interface IProps {
  model: ExecutionsModel;
  /** Show an execution's cell in the notebook. */
  reveal(row: ListedExecution): Promise<void>;
  /** Puts the kernel's variables back. */
  travel: TimeTravel;
}

export function Executions(props: IProps): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  const list = useRef<HTMLUListElement>(null);
  useChanged(model);
  const { data, error } = model.list;
  const narrowed = model.search !== '' || model.status !== '';
  const find = (id: string) => {
    const row = [...(list.current?.children ?? [])].find(
      each => (each as HTMLElement).dataset.execution === id
    );
    row?.scrollIntoView({ block: 'nearest' });
    row?.querySelector('button')?.focus({ preventScroll: true });
  };
  const jump = async (jumps: (labPath: string) => Promise<boolean>) => {
    const labPath = model.workspace?.toLab(model.path);
    if (labPath && (await jumps(labPath))) {
      await model.list.refresh();
    }
  };
  return (
    <Section
      title={trans.__('Executions')}
      aside={
        data?.items.some(hasState) && (
          <IconButton
            icon={undoIcon}
            label={trans.__('Undo what the last cell did to the variables')}
            onClick={() => void jump(labPath => props.travel.undo(labPath))}
          />
        )
      }
    >
      {(narrowed || (data && data.items.length > 0)) && <Tools model={model} />}
      <QueryState query={model.list} />
      {data && !data.items.length && !error && (
        <NoExecutions narrowed={narrowed} />
      )}
      {data && data.items.length > 0 && (
        <ul
          ref={list}
          className="jp-mlops-List"
          aria-label={trans.__('Executions, newest first')}
        >
          {data.items.map((row, index) => (
            <Fragment key={row.id}>
              {index > 0 && row.session !== data.items[index - 1]?.session && (
                <li className="jp-mlops-Execution-kernel">
                  {trans.__('Another kernel')}
                </li>
              )}
              <Row
                {...props}
                row={row}
                find={find}
                goTo={() => jump(labPath => props.travel.goTo(labPath, row))}
              />
            </Fragment>
          ))}
        </ul>
      )}
      {data?.more && (
        <Button onClick={() => model.showMore()}>
          {trans.__('Show more executions')}
        </Button>
      )}
    </Section>
  );
}

function Tools({ model }: { model: ExecutionsModel }): JSX.Element {
  const trans = useTrans();
  return (
    <div className="jp-mlops-History-tools">
      <input
        className="jp-mlops-Input"
        type="search"
        defaultValue={model.search}
        aria-label={trans.__('Search executions by their code')}
        placeholder={trans.__('Search code')}
        onChange={event => model.setSearch(event.target.value)}
      />
      <select
        className="jp-mlops-Input"
        aria-label={trans.__('Which executions')}
        value={model.status}
        onChange={event =>
          model.setStatus(event.target.value as ExecutionStatus | '')
        }
      >
        <option value="">{trans.__('All')}</option>
        {STATUSES.map(status => (
          <option key={status} value={status}>
            {statusLabel(status, trans)}
          </option>
        ))}
      </select>
    </div>
  );
}

function NoExecutions({ narrowed }: { narrowed: boolean }): JSX.Element {
  const trans = useTrans();
  if (narrowed) {
    return <EmptyState title={trans.__('No execution is like this.')} />;
  }
  return (
    <EmptyState title={trans.__('No execution is recorded.')}>
      <p>
        {trans.__(
          'What each cell read, wrote and led to is recorded in kernels that have been asked to. Run this in the notebook:'
        )}
      </p>
      <pre>{LOAD}</pre>
      <p>{trans.__('Or ask every kernel of the workspace, in mlops.toml:')}</p>
      <pre>{SETTING}</pre>
    </EmptyState>
  );
}

interface IRowProps extends IProps {
  row: ListedExecution;
  find(id: string): void;
  /** Put the variables back as they were after it. */
  goTo(): Promise<void>;
}

function Row(props: IRowProps): JSX.Element {
  const { model, row, reveal, find, goTo } = props;
  const trans = useTrans();
  const id = useId();
  const query = model.opened(row.id);
  const Caret = query ? caretDownIcon : caretRightIcon;
  const label = row.count
    ? trans.__('In [%1]', row.count)
    : trans.__('Time travel');
  const end = row.seconds === null ? null : row.started_at + row.seconds;
  return (
    <li
      className="jp-mlops-Execution"
      aria-label={trans.__('Execution %1', label)}
      data-execution={row.id}
    >
      <div className="jp-mlops-Execution-head">
        <button
          type="button"
          className="jp-mlops-IconButton"
          aria-expanded={query !== undefined}
          aria-controls={query && id}
          aria-label={trans.__('What %1 read and wrote', label)}
          title={trans.__('What it read and wrote')}
          onClick={() => model.toggle(row.id)}
        >
          <Caret.react tag="span" className="jp-mlops-Icon" />
        </button>
        <button
          type="button"
          className="jp-mlops-Execution-title"
          title={trans.__('Show the cell in the notebook')}
          onClick={() => void reveal(row)}
        >
          <span className="jp-mlops-Execution-count">{label}</span>
          <code className="jp-mlops-Ellipsis">{row.title}</code>
        </button>
        {hasState(row) && (
          <IconButton
            icon={goToIcon}
            label={trans.__('Go to the variables after %1', label)}
            onClick={() => void goTo()}
          />
        )}
      </div>
      <p className="jp-mlops-Row-sub">
        <StatusBadge status={row.status} />
        <RelativeTime at={row.started_at} />
        {(end !== null || row.status === 'running') && (
          <Duration start={row.started_at} end={end} />
        )}
        {row.left && (
          <span
            title={trans.__(
              'The variables went back to a state before it: they do not follow from it.'
            )}
          >
            {trans.__('left behind')}
          </span>
        )}
        {row.step && <span>{trans.__('step %1', row.step)}</span>}
      </p>
      {row.error && <p className="jp-mlops-Row-error">{row.error}</p>}
      {query && (
        <div id={id} className="jp-mlops-Execution-body">
          <ExecutionBody model={model} row={row} query={query} find={find} />
        </div>
      )}
    </li>
  );
}
