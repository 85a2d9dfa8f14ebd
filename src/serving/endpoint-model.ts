import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import type { IServices } from '../components';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { Endpoint, PredictRequest, Prediction, Trace } from './types';

/** One endpoint, live, and the way to ask it. */
export class EndpointModel implements IDisposable {
  constructor(
    services: IServices,
    readonly workspace: IWorkspace,
    readonly name: string
  ) {
    this.query = new WorkspaceQuery<Endpoint>({
      workspaces: services.workspaces,
      changes: services.changes,
      workspace,
      load: (client, signal) =>
        client.get('/serving/endpoints/{endpoint}', {
          path: { endpoint: name },
          signal
        }),
      concerns: ({ topic, key }) => topic === 'endpoint' && key === name
    });
  }

  readonly query: WorkspaceQuery<Endpoint>;

  get changed(): ISignal<unknown, void> {
    return this.query.changed;
  }

  get isDisposed(): boolean {
    return this.query.isDisposed;
  }

  dispose(): void {
    this.query.dispose();
  }

  setActive(active: boolean): void {
    this.query.setActive(active);
  }

  async predict(body: PredictRequest): Promise<Prediction> {
    const prediction = await this.workspace.client.post(
      '/serving/endpoints/{endpoint}/predict',
      {
        path: { endpoint: this.name },
        body
      }
    );
    // Its count of requests; nobody announces each of them.
    this.query.invalidate();
    return prediction;
  }

  /** What led to an answer. */
  trace(requestId: string): Promise<Trace> {
    return this.workspace.client.get('/serving/requests/{request_id}/trace', {
      path: { request_id: requestId }
    });
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
