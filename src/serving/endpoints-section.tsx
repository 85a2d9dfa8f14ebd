import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  EmptyState,
  ErrorView,
  Section,
  StatusBadge,
  useChanged,
  useServices,
  viewOf
} from '../components';
import type { IView } from '../components/lazy';
import { WorkspaceQuery } from '../workspace/query';
import type { Endpoint } from './types';

/** The endpoints of the workspace, a section of the Models panel. */
export function createEndpointsSection(services: IServices): IView {
  const query = new WorkspaceQuery<Endpoint[]>({
    workspaces: services.workspaces,
    changes: services.changes,
    load: async (client, signal) =>
      (await client.get('/serving/endpoints', { signal })).items,
    concerns: change => change.topic === 'endpoint'
  });
  return viewOf(services, query, <Endpoints query={query} />);
}

export function Endpoints(props: {
  query: WorkspaceQuery<Endpoint[]>;
}): JSX.Element | null {
  const { query } = props;
  const { trans, workspaces } = useServices();
  useChanged(query, workspaces);
  if (workspaces.status !== 'ready') {
    return null;
  }
  return (
    <Section title={trans.__('Endpoints')}>
      {query.error && (
        <ErrorView
          error={query.error}
          trans={trans}
          onRetry={() => void query.refresh()}
        />
      )}
      {query.data?.length === 0 && (
        <EmptyState title={trans.__('No endpoint yet.')}>
          <p>
            {trans.__(
              'Open a model and deploy one of its versions: it then answers at a URL of its own.'
            )}
          </p>
        </EmptyState>
      )}
      <ul className="jp-mlops-List" aria-label={trans.__('Endpoints')}>
        {query.data?.map(endpoint => (
          <Item key={endpoint.name} endpoint={endpoint} />
        ))}
      </ul>
    </Section>
  );
}

function Item(props: { endpoint: Endpoint }): JSX.Element {
  const { endpoint } = props;
  const { commands, trans, workspaces } = useServices();
  const { deployment } = endpoint;
  return (
    <li>
      <button
        type="button"
        className="jp-mlops-Row"
        onClick={() => {
          void commands.execute(CommandIDs.openEndpoint, {
            name: endpoint.name,
            workspace: workspaces.current?.root ?? ''
          });
        }}
      >
        <span className="jp-mlops-Row-main">
          <span className="jp-mlops-Ellipsis">{endpoint.name}</span>
          <StatusBadge status={endpoint.status} />
        </span>
        <span className="jp-mlops-Row-sub">
          {deployment && `${deployment.model}/${deployment.version} · `}
          {trans._n('%1 request', '%1 requests', endpoint.requests)}
        </span>
        {deployment?.error && (
          <span className="jp-mlops-Row-error">{deployment.error.what}</span>
        )}
      </button>
    </li>
  );
}
