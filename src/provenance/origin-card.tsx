import { useEffect, useState } from 'react';
import type { MlopsError } from '../api';
import { asMlopsError } from '../api';
import { CommandIDs } from '../commands';
import {
  Duration,
  EmptyState,
  ErrorView,
  Facts,
  Link,
  Loading,
  RelativeTime,
  StatusBadge,
  useServices,
  useTrans
} from '../components';
import type { Origins } from './origins';
import { nameOf, pageOf } from './pages';
import type { ExecutionOrigin, RecordedExecution, UsedSource } from './types';

/** Executions and files that are listed at first. */
const AT_FIRST = 6;
/** So much of a digest tells two apart. */
const SHORT = 8;
const LOAD = '%load_ext jupyter_mlops';

interface IProps {
  origins: Origins;
  /** Empty: nothing was recorded of the output. */
  execution: string;
  /** Called after a link was followed. */
  onLeave(): void;
}

/** Which executions, files and data made an output. */
export function OriginCard(props: IProps): JSX.Element {
  const { origins, execution } = props;
  const trans = useTrans();
  const [origin, setOrigin] = useState<ExecutionOrigin | null>(null);
  const [error, setError] = useState<MlopsError | null>(null);
  useEffect(() => {
    let gone = false;
    if (execution) {
      origins.get(execution).then(
        found => !gone && setOrigin(found),
        (reason: unknown) => !gone && setError(asMlopsError(reason))
      );
    }
    return () => {
      gone = true;
    };
  }, [origins, execution]);
  if (!execution) {
    return (
      <EmptyState title={trans.__('Nothing is recorded of this output.')}>
        <p>
          {trans.__(
            'Its cell ran in a kernel that does not record, or before it did. Run this in the notebook, then the cell again:'
          )}
        </p>
        <pre>{LOAD}</pre>
      </EmptyState>
    );
  }
  if (error?.code === 'not-found') {
    return (
      <EmptyState
        title={trans.__('The record of this output is not in this workspace.')}
      >
        <p>
          {trans.__(
            'The notebook ran elsewhere (execution %1). Run the cell here to record it.',
            execution.slice(0, SHORT)
          )}
        </p>
      </EmptyState>
    );
  }
  if (error) {
    return <ErrorView error={error} trans={trans} />;
  }
  return origin ? <Card {...props} origin={origin} /> : <Loading />;
}

function Card(props: IProps & { origin: ExecutionOrigin }): JSX.Element {
  const { origin, origins, onLeave } = props;
  const { commands, trans } = useServices();
  const { execution, upstream, more, sources, items } = origin;
  const workspace = origins.workspace.root;
  const end =
    execution.seconds === null
      ? null
      : execution.started_at + execution.seconds;
  const outside = sources.filter(source => !source.written);
  const go = (command: string, args: Record<string, string>) => () => {
    onLeave();
    void commands.execute(command, { ...args, workspace });
  };
  return (
    <>
      <p className="jp-mlops-Origin-head">
        <CellLink row={execution} go={go} />
      </p>
      <p className="jp-mlops-Row-sub">
        <StatusBadge status={execution.status} />
        <RelativeTime at={execution.started_at} />
        <Duration start={execution.started_at} end={end} />
        {execution.notebook && (
          <Link
            title={trans.__('Highlight the cells that made it, and no other')}
            onClick={go(CommandIDs.showSlice, {
              name: execution.id,
              path: execution.notebook
            })}
          >
            {trans.__('Show the slice')}
          </Link>
        )}
      </p>
      {execution.incomplete && (
        <p className="jp-mlops-History-notKept">
          {trans.__('The record is incomplete: %1', execution.incomplete)}
        </p>
      )}
      <Facts
        items={[
          [
            trans.__('Made from'),
            upstream.length > 0 ? (
              <Shortened
                key="cells"
                label={trans.__('Executions that it follows from')}
                items={upstream.map(row => (
                  <CellLink
                    key={row.id}
                    row={row}
                    go={go}
                    notebook={row.notebook !== execution.notebook}
                  />
                ))}
                more={more}
              />
            ) : (
              trans.__('no other execution')
            )
          ],
          [
            trans.__('Data and files'),
            outside.length > 0 ? (
              <Shortened
                key="sources"
                label={trans.__('Data and files that it follows from')}
                items={outside.map(source => (
                  <Source
                    key={`${source.kind} ${source.name} ${source.version}`}
                    source={source}
                  />
                ))}
                more={0}
              />
            ) : (
              trans.__('none read')
            )
          ],
          [
            trans.__('Led to'),
            items.length > 0 && (
              <Shortened
                key="items"
                label={trans.__('What it led to')}
                items={items.map(item => {
                  const page = pageOf(item);
                  const name = nameOf(item, trans);
                  return page ? (
                    <Link
                      key={`${item.kind} ${item.key}`}
                      onClick={go(...page)}
                    >
                      {name}
                    </Link>
                  ) : (
                    <span key={`${item.kind} ${item.key}`}>{name}</span>
                  );
                })}
                more={0}
              />
            )
          ],
          [
            trans.__('Step'),
            execution.pipeline_run_id && (
              <Link
                onClick={go(CommandIDs.openPipelineRun, {
                  id: execution.pipeline_run_id
                })}
              >
                {execution.step}
              </Link>
            )
          ]
        ]}
      />
      <p>
        <Link onClick={go(CommandIDs.openHistory, {})}>
          {trans.__('All executions, in the History panel')}
        </Link>
      </p>
    </>
  );
}

/** An execution, which leads to its cell. */
function CellLink(props: {
  row: RecordedExecution;
  notebook?: boolean;
  go(command: string, args: Record<string, string>): () => void;
}): JSX.Element {
  const { row, notebook, go } = props;
  const trans = useTrans();
  return (
    <span className="jp-mlops-Origin-cell">
      <code className="jp-mlops-Execution-count">
        {trans.__('In [%1]', row.count)}
      </code>{' '}
      <Link
        title={trans.__('Show the cell in %1', row.notebook)}
        onClick={go(CommandIDs.showCell, {
          path: row.notebook,
          cell: row.cell_id,
          count: String(row.count)
        })}
      >
        {row.title || trans.__('(an empty cell)')}
      </Link>
      {notebook && <span className="jp-mlops-Muted"> {row.notebook}</span>}
    </span>
  );
}

function Source({ source }: { source: UsedSource }): JSX.Element {
  const trans = useTrans();
  const { name, version } = source;
  return (
    <span>
      {name}{' '}
      <span className="jp-mlops-Muted" title={version}>
        {version === 'missing'
          ? trans.__('(was not there)')
          : trans.__('version %1', version.slice(0, SHORT))}
      </span>
    </span>
  );
}

/** A list of which the first entries are shown until more are asked for. */
function Shortened(props: {
  label: string;
  items: JSX.Element[];
  /** So many more are known and not listed. */
  more: number;
}): JSX.Element {
  const { label, items, more } = props;
  const trans = useTrans();
  const [all, setAll] = useState(false);
  // The last ones are the nearest.
  const shown = all ? items : items.slice(-AT_FIRST);
  const hidden = items.length - shown.length;
  return (
    <ul aria-label={label}>
      {hidden > 0 && (
        <li>
          <Link onClick={() => setAll(true)}>
            {trans._n('%1 more', '%1 more', hidden + more)}
          </Link>
        </li>
      )}
      {all && more > 0 && (
        <li className="jp-mlops-Muted">
          {trans._n('%1 more, older', '%1 more, older', more)}
        </li>
      )}
      {shown.map(item => (
        <li key={item.key}>{item}</li>
      ))}
    </ul>
  );
}
