import { MlopsError } from '../api';
import type { IServices } from '../components';
import { LiveModel } from '../workspace/live-model';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { Endpoint, PredictRequest, Prediction, Trace } from './types';

/** The request log is written within about a second. */
const LOG_DELAY_MS = 600;
const LOG_ATTEMPTS = 4;

/** One endpoint, live, and the way to ask it. */
export class EndpointModel extends LiveModel {
  constructor(
    services: IServices,
    readonly workspace: IWorkspace,
    readonly name: string
  ) {
    super();
    this.query = this.follow(
      new WorkspaceQuery<Endpoint>({
        workspaces: services.workspaces,
        changes: services.changes,
        workspace,
        load: (client, signal) =>
          client.get('/serving/endpoints/{endpoint}', {
            path: { endpoint: name },
            signal
          }),
        // Without a key: some endpoint has logged requests.
        concerns: ({ topic, key }) =>
          topic === 'endpoint' && (key === name || key === '')
      })
    );
  }

  readonly query: WorkspaceQuery<Endpoint>;

  async predict(body: PredictRequest): Promise<Prediction> {
    return this.workspace.client.post('/serving/endpoints/{endpoint}/predict', {
      path: { endpoint: this.name },
      body
    });
  }

  /**
   * What led to an answer.
   *
   * The model server writes its request log a moment after it has answered: an
   * answer of just now is asked for again before it counts as not logged.
   */
  async trace(requestId: string): Promise<Trace> {
    for (let left = LOG_ATTEMPTS; ; left -= 1) {
      try {
        return await this.workspace.client.get(
          '/serving/requests/{request_id}/trace',
          { path: { request_id: requestId } }
        );
      } catch (error) {
        const late = error instanceof MlopsError && error.code === 'not-found';
        if (!late || left <= 1) {
          throw error;
        }
      }
      await new Promise(resolve => setTimeout(resolve, LOG_DELAY_MS));
    }
  }

  async stop(): Promise<void> {
    this.query.set(
      await this.workspace.client.post('/serving/endpoints/{endpoint}/stop', {
        path: { endpoint: this.name }
      })
    );
  }

  async start(): Promise<void> {
    this.query.set(
      await this.workspace.client.post('/serving/endpoints/{endpoint}/start', {
        path: { endpoint: this.name }
      })
    );
  }

  async delete(): Promise<void> {
    await this.workspace.client.delete('/serving/endpoints/{endpoint}', {
      path: { endpoint: this.name }
    });
  }
}
