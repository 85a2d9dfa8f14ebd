import { Facts, Link, QueryState, useServices, useTrans } from '../components';
import { nameOf, pageOf } from '../provenance/pages';
import type { WorkspaceQuery } from '../workspace/query';
import type { ExecutionsModel, IRead, IWhole } from './executions-model';
import type { Linked, ListedExecution } from './types';

/** So much of a digest tells two apart. */
const SHORT = 8;

interface IProps {
  model: ExecutionsModel;
  row: ListedExecution;
  query: WorkspaceQuery<IWhole>;
  /** Go to the row of another execution. */
  find(id: string): void;
}

/** All that is known of an opened execution: its code, what it used, what came of it. */
export function ExecutionBody(props: IProps): JSX.Element {
  const { model, row, query, find } = props;
  const trans = useTrans();
  const { data, error } = query;
  if (error || !data) {
    return <QueryState query={query} />;
  }
  const { detail, links, impact } = data;
  const reads = model.reads(row);
  return (
    <>
      <pre tabIndex={0} aria-label={trans.__('The code as it ran')}>
        {detail.source}
      </pre>
      {detail.incomplete && (
        <p className="jp-mlops-History-notKept">{detail.incomplete}</p>
      )}
      <Facts
        items={[
          [
            trans.__('Read'),
            reads.length > 0 &&
              reads.map(read => (
                <Read key={read.name} read={read} find={find} />
              ))
          ],
          [trans.__('Wrote'), names(detail.written)],
          [trans.__('Changed'), names(detail.changed)],
          [trans.__('Deleted'), names(detail.deleted)],
          [trans.__('Files read'), digests(detail.files_read)],
          [trans.__('Files written'), digests(detail.files_written)],
          [trans.__('Data'), digests(detail.data)],
          [trans.__('Modules'), digests(detail.modules)],
          [trans.__('Random'), names(Object.keys(detail.generators))],
          [
            trans.__('Taken from'),
            detail.taken_from && (
              <code>{detail.taken_from.slice(0, SHORT)}</code>
            )
          ],
          [
            trans.__('Environment'),
            detail.environment && (
              <code title={detail.environment}>
                {detail.environment.slice(0, SHORT)}
              </code>
            )
          ],
          [
            trans.__('Led to'),
            links.length > 0 &&
              links.map(item => (
                <LinkTo
                  key={`${item.kind} ${item.key}`}
                  item={item}
                  model={model}
                />
              ))
          ],
          [trans.__('Its cell'), impact?.summary ?? '']
        ]}
      />
    </>
  );
}

function Read(props: { read: IRead; find(id: string): void }): JSX.Element {
  const { read, find } = props;
  const trans = useTrans();
  const { from } = read;
  return (
    <span>
      <code>{read.name}</code>{' '}
      {from && (
        <Link
          title={trans.__('Go to the execution that made it: %1', from.title)}
          onClick={() => find(from.id)}
        >
          {trans.__('of In [%1]', from.count)}
        </Link>
      )}
      {read.absent && (
        <span className="jp-mlops-Muted">{trans.__('not defined')}</span>
      )}
    </span>
  );
}

/** Something that an execution led to; what has a page of its own is a link to it. */
function LinkTo(props: { item: Linked; model: ExecutionsModel }): JSX.Element {
  const { item, model } = props;
  const { commands, trans } = useServices();
  const target = pageOf(item);
  const label = nameOf(item, trans);
  return (
    <span>
      {target ? (
        <Link
          onClick={() => {
            void commands.execute(target[0], {
              ...target[1],
              workspace: model.workspace?.root ?? ''
            });
          }}
        >
          {label}
        </Link>
      ) : (
        label
      )}
      {item.live && ` (${trans.__('answers now')})`}
    </span>
  );
}

function names(items: readonly string[]): React.ReactNode {
  return items.length > 0 && items.map(name => <code key={name}>{name}</code>);
}

/** Names, with the digest of the content on hover. */
function digests(items: Readonly<Record<string, string>>): React.ReactNode {
  const entries = Object.entries(items);
  return (
    entries.length > 0 &&
    entries.map(([name, digest]) => (
      <span key={name} title={digest}>
        {name}
      </span>
    ))
  );
}
