import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  EmptyState,
  QueryState,
  RelativeTime,
  Section,
  useChanged,
  useServices,
  useTrans
} from '../components';
import type { IView } from '../components/lazy';
import { workspaceViewOf } from '../workspace/gate';
import { ModelsModel } from './models-model';
import type { RegisteredModel } from './types';

/** The models of the workspace, in the Models panel. */
export function createModelsView(services: IServices): IView {
  const model = new ModelsModel(services);
  return workspaceViewOf(services, model, <ModelsView model={model} />);
}

/** Above this many, a search box. */
const SEARCH_ABOVE = 8;

export function ModelsView(props: { model: ModelsModel }): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const { data, error } = model.query;
  const count = data?.items.length ?? 0;
  return (
    <Section title={trans.__('Models')}>
      {(model.search || count > SEARCH_ABOVE) && (
        <input
          className="jp-mlops-Input"
          type="search"
          defaultValue={model.search}
          aria-label={trans.__('Search models by name')}
          placeholder={trans.__('Search by name')}
          onChange={event => model.setSearch(event.target.value)}
        />
      )}
      <QueryState query={model.query} />
      {data && !count && !error && <NoModels searched={model.search !== ''} />}
      {data && count > 0 && (
        <ul
          className="jp-mlops-List"
          aria-label={trans.__('Registered models')}
        >
          {data.items.map(item => (
            <Model key={item.name} item={item} />
          ))}
        </ul>
      )}
      {data?.next_page_token && (
        <Button onClick={() => model.showMore()}>
          {trans.__('Show more models')}
        </Button>
      )}
    </Section>
  );
}

/** Code is not translated. */
const EXAMPLE =
  'mlops.register(model, "name",\n               alias="champion")';

function NoModels(props: { searched: boolean }): JSX.Element {
  const trans = useTrans();
  if (props.searched) {
    return <EmptyState title={trans.__('No model has this in its name.')} />;
  }
  return (
    <EmptyState title={trans.__('No registered model yet.')}>
      <p>{trans.__('In a notebook, inside a run:')}</p>
      <pre>{EXAMPLE}</pre>
    </EmptyState>
  );
}

function Model(props: { item: RegisteredModel }): JSX.Element {
  const { item } = props;
  const { commands, trans, workspaces } = useServices();
  return (
    <li>
      <button
        type="button"
        className="jp-mlops-Row"
        onClick={() => {
          void commands.execute(CommandIDs.openModel, {
            name: item.name,
            workspace: workspaces.current?.root ?? ''
          });
        }}
      >
        <span className="jp-mlops-Row-main">
          <span className="jp-mlops-Ellipsis">{item.name}</span>
          <span className="jp-mlops-Muted">
            <RelativeTime at={item.updated_at} />
          </span>
        </span>
        <span className="jp-mlops-Row-sub">
          {trans._n('%1 version', '%1 versions', item.versions)}
          <Aliases aliases={item.aliases} />
        </span>
      </button>
    </li>
  );
}

/** Aliases and the versions they point to. */
function Aliases(props: {
  aliases: Readonly<Record<string, string>>;
}): JSX.Element {
  return (
    <>
      {Object.entries(props.aliases).map(([alias, version]) => (
        <span key={alias} className="jp-mlops-Tag">
          @{alias} → {version}
        </span>
      ))}
    </>
  );
}
