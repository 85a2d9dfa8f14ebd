import { Notification } from '@jupyterlab/apputils';
import { deleteIcon, runIcon, stopIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import {
  Button,
  CopyButton,
  EmptyState,
  ErrorView,
  Facts,
  Link,
  QueryState,
  RelativeTime,
  Section,
  StatusBadge,
  useChanged,
  useServices,
  useTrans,
  viewOf
} from '../components';
import type { IView } from '../components/lazy';
import { attempt, confirm } from '../components/notify';
import { MadeIn } from '../provenance/made-in';
import type { IWorkspace } from '../workspace/tokens';
import { EndpointModel } from './endpoint-model';
import { curlSnippet, pythonSnippet } from './snippets';
import { TryIt } from './try-it';
import type { Endpoint } from './types';

/** The page of one endpoint. */
export function createEndpointPage(
  services: IServices,
  workspace: IWorkspace,
  name: string
): IView {
  const model = new EndpointModel(services, workspace, name);
  return viewOf(services, model, <EndpointPage model={model} />);
}

export function EndpointPage(props: { model: EndpointModel }): JSX.Element {
  const { model } = props;
  const trans = useTrans();
  useChanged(model);
  const [deleted, setDeleted] = useState(false);
  const { data } = model.query;
  if (deleted) {
    return <EmptyState title={trans.__('This endpoint was deleted.')} />;
  }
  if (!data) {
    return <QueryState query={model.query} />;
  }
  const failure = data.deployment?.error;
  return (
    <article aria-label={trans.__('Endpoint %1', data.name)}>
      <Head model={model} endpoint={data} onDeleted={() => setDeleted(true)} />
      {failure && <ErrorView error={failure} trans={trans} />}
      {data.pending && <Pending endpoint={data} />}
      <About model={model} endpoint={data} />
      <TryIt model={model} endpoint={data} />
      <Snippets endpoint={data} />
    </article>
  );
}

interface IProps {
  model: EndpointModel;
  endpoint: Endpoint;
}

function Head(props: IProps & { onDeleted(): void }): JSX.Element {
  const { model, endpoint, onDeleted } = props;
  const trans = useTrans();
  const running = endpoint.status === 'ready' || endpoint.status === 'starting';
  const remove = async () => {
    const sure = await confirm(
      trans,
      trans.__('Delete the endpoint %1?', endpoint.name),
      trans.__(
        'Its URL stops answering. The model stays registered, the request log is kept.'
      ),
      trans.__('Delete')
    );
    if (!sure) {
      return;
    }
    const done = await attempt(trans, async () => {
      await model.delete();
      return true;
    });
    if (done) {
      onDeleted();
      Notification.info(
        trans.__('The endpoint %1 was deleted.', endpoint.name)
      );
    }
  };
  return (
    <header className="jp-mlops-PageHead">
      <div>
        <h1>{endpoint.name}</h1>
        <p aria-live="polite">
          <StatusBadge status={endpoint.status} />
        </p>
      </div>
      {running ? (
        <Button
          icon={stopIcon}
          onClick={() => void attempt(trans, () => model.stop())}
        >
          {trans.__('Stop')}
        </Button>
      ) : (
        <Button
          primary
          icon={runIcon}
          onClick={() => void attempt(trans, () => model.start())}
        >
          {trans.__('Start')}
        </Button>
      )}
      <Button icon={deleteIcon} onClick={() => void remove()}>
        {trans.__('Delete')}
      </Button>
    </header>
  );
}

/** A newer version that is on its way, or did not make it. */
function Pending(props: { endpoint: Endpoint }): JSX.Element | null {
  const trans = useTrans();
  const { pending } = props.endpoint;
  if (!pending) {
    return null;
  }
  return pending.error ? (
    <ErrorView error={pending.error} trans={trans} />
  ) : (
    <p role="status">
      {trans.__(
        'Version %1 is starting; until it is ready the one below answers.',
        pending.version
      )}
    </p>
  );
}

function About(props: IProps): JSX.Element {
  const { model, endpoint } = props;
  const { commands, trans } = useServices();
  const { deployment } = endpoint;
  const workspace = model.workspace.root;
  return (
    <Section title={trans.__('About')}>
      <Facts
        items={[
          [trans.__('URL'), <code key="url">{endpoint.url}</code>],
          [
            trans.__('Model'),
            deployment && (
              <Link
                onClick={() => {
                  void commands.execute(CommandIDs.openModel, {
                    name: deployment.model,
                    workspace
                  });
                }}
              >
                {deployment.model}/{deployment.version}
              </Link>
            )
          ],
          [
            trans.__('Run'),
            deployment?.run_id && (
              <Link
                onClick={() => {
                  void commands.execute(CommandIDs.openRun, {
                    id: deployment.run_id,
                    workspace
                  });
                }}
              >
                {deployment.run_id.slice(0, 12)}
              </Link>
            )
          ],
          [
            trans.__('Made in'),
            deployment && (
              <MadeIn
                key="cells"
                workspace={model.workspace}
                kind="model_version"
                thing={`${deployment.model}/${deployment.version}`}
              />
            )
          ],
          [
            trans.__('Deployed'),
            deployment && <RelativeTime at={deployment.created_at} />
          ],
          [trans.__('Requests'), endpoint.requests.toLocaleString()]
        ]}
      />
    </Section>
  );
}

function Snippets(props: { endpoint: Endpoint }): JSX.Element {
  const trans = useTrans();
  const curl = curlSnippet(props.endpoint);
  const python = pythonSnippet(props.endpoint);
  return (
    <Section title={trans.__('From elsewhere')}>
      <div className="jp-mlops-Snippet">
        <CopyButton text={curl} label={trans.__('Copy curl')} />
        <pre>{curl}</pre>
      </div>
      <div className="jp-mlops-Snippet">
        <CopyButton text={python} label={trans.__('Copy Python')} />
        <pre>{python}</pre>
      </div>
    </Section>
  );
}
