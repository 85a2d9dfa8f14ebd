import { addIcon, undoIcon } from '@jupyterlab/ui-components';
import type { IServices } from '../components';
import {
  Button,
  EmptyState,
  IconButton,
  QueryState,
  RelativeTime,
  Section,
  useChanged,
  useTrans
} from '../components';
import type { IView } from '../components/lazy';
import { workspaceViewOf } from '../workspace/gate';
import { HistoryActions } from './actions';
import type { Filter } from './model';
import { HistoryModel } from './model';
import type { IOpenNotebooks } from './open-notebooks';
import { VersionList } from './versions';

/** The history of the notebook in front, in the History panel. */
export function createHistoryView(
  services: IServices,
  notebooks: IOpenNotebooks,
  executions?: ExecutionsSection
): IView {
  const model = new HistoryModel(services, notebooks);
  const actions = new HistoryActions(services, notebooks);
  return workspaceViewOf(
    services,
    model,
    <HistoryView model={model} actions={actions} executions={executions} />
  );
}

/** Shows the cell executions of a notebook, named by its workspace path; nothing is asked for while it is not `active`. */
export type ExecutionsSection = React.ComponentType<{
  path: string;
  active: boolean;
}>;

interface IProps {
  model: HistoryModel;
  actions: HistoryActions;
  /** Above the versions; left out where there is no record of executions. */
  executions?: ExecutionsSection | undefined;
}

export function HistoryView(props: IProps): JSX.Element {
  const { model, executions: Executions } = props;
  const trans = useTrans();
  useChanged(model);
  const { path } = model;
  return (
    <>
      {path ? (
        <>
          <p className="jp-mlops-History-notebook" title={path}>
            {path}
          </p>
          {Executions && (
            <Executions
              key={`cells-${path}`}
              path={path}
              active={model.isActive}
            />
          )}
          <Versions key={path} {...props} />
        </>
      ) : (
        <EmptyState title={trans.__('No notebook of this workspace is open.')}>
          <p>
            {trans.__(
              'Open one: every save and every execution of it is kept as a version, which you can compare and bring back here.'
            )}
          </p>
        </EmptyState>
      )}
      <DeletedNotebooks {...props} />
    </>
  );
}

function Versions(props: IProps): JSX.Element {
  const { model, actions } = props;
  const trans = useTrans();
  const { data, error } = model.versions;
  const filtered = model.search !== '' || model.filter !== '';
  return (
    <Section
      title={trans.__('Versions')}
      aside={
        <IconButton
          icon={addIcon}
          label={trans.__('Keep a version now')}
          onClick={() => void actions.keep(model.path)}
        />
      }
    >
      {(filtered || (data && data.items.length > 0)) && (
        <div className="jp-mlops-History-tools">
          <input
            className="jp-mlops-Input"
            type="search"
            defaultValue={model.search}
            aria-label={trans.__('Search versions by name and content')}
            placeholder={trans.__('Search name and content')}
            onChange={event => model.setSearch(event.target.value)}
          />
          <select
            className="jp-mlops-Input"
            aria-label={trans.__('Which versions')}
            value={model.filter}
            onChange={event => model.setFilter(event.target.value as Filter)}
          >
            <option value="">{trans.__('All')}</option>
            <option value="save">{trans.__('Saves')}</option>
            <option value="execution">{trans.__('Executions')}</option>
            <option value="named">{trans.__('Named')}</option>
          </select>
        </div>
      )}
      {data?.not_kept && (
        <p className="jp-mlops-History-notKept" role="status">
          {data.not_kept}
        </p>
      )}
      <QueryState query={model.versions} />
      {data && !data.items.length && !error && (
        <NoVersions filtered={filtered} kept={!data.not_kept} />
      )}
      {data && data.items.length > 0 && (
        <VersionList page={data} actions={actions} />
      )}
      {data?.next_page_token && (
        <Button onClick={() => model.showMore()}>
          {trans.__('Show more versions')}
        </Button>
      )}
    </Section>
  );
}

function NoVersions(props: {
  filtered: boolean;
  kept: boolean;
}): JSX.Element | null {
  const trans = useTrans();
  if (props.filtered) {
    return <EmptyState title={trans.__('No version is like this.')} />;
  }
  if (!props.kept) {
    return null;
  }
  return (
    <EmptyState title={trans.__('No version yet.')}>
      <p>
        {trans.__(
          'One is kept whenever the notebook is saved, also by auto-save, and when its cells ran.'
        )}
      </p>
    </EmptyState>
  );
}

/** Notebooks that are gone, to bring back. */
function DeletedNotebooks(props: IProps): JSX.Element | null {
  const { model, actions } = props;
  const trans = useTrans();
  const items = model.deleted.data?.items ?? [];
  if (!items.length) {
    return null;
  }
  return (
    <details className="jp-mlops-Section" open={!model.path}>
      <summary>{trans.__('Deleted notebooks (%1)', items.length)}</summary>
      <ul className="jp-mlops-List" aria-label={trans.__('Deleted notebooks')}>
        {items.map(item => (
          <li key={item.path} className="jp-mlops-History-deleted">
            <span className="jp-mlops-History-path">{item.path}</span>
            <span className="jp-mlops-Muted">
              <RelativeTime at={item.newest_at} />
              {' · '}
              {trans._n('%1 version', '%1 versions', item.versions)}
            </span>
            <IconButton
              icon={undoIcon}
              label={trans.__('Bring back %1', item.path)}
              onClick={() => {
                void actions.restore(item.path, item.newest, item.newest_at);
              }}
            />
          </li>
        ))}
      </ul>
    </details>
  );
}
