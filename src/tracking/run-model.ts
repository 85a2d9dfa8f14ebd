import type { IServices } from '../components';
import type { IChange } from '../events/tokens';
import { ReproductionModel } from '../provenance/reproduction-model';
import { LiveModel } from '../workspace/live-model';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { Artifact, MetricHistory, RunDetail, RunNotebook } from './types';

/** The points that a curve is drawn from; the server thins evenly above. */
const CURVE_POINTS = 2000;

/** One run, whole and live. */
export class RunModel extends LiveModel {
  constructor(
    private readonly services: IServices,
    readonly workspace: IWorkspace,
    readonly id: string
  ) {
    super();
    this.query = this.follow(
      this.live((client, signal) =>
        client.get('/tracking/runs/{run_id}', { path: { run_id: id }, signal })
      )
    );
    this.reproduction = this.hold(
      new ReproductionModel(services, workspace, id)
    );
  }

  /** Bringing the run's state back, and its verification. */
  readonly reproduction: ReproductionModel;
  readonly query: WorkspaceQuery<RunDetail>;

  get run(): RunDetail | undefined {
    return this.query.data;
  }

  /** The values of one metric, kept live. */
  history(key: string): WorkspaceQuery<MetricHistory> {
    let history = this._histories.get(key);
    if (!history) {
      history = this.hold(
        this.live((client, signal) =>
          client.get('/tracking/runs/{run_id}/metrics', {
            path: { run_id: this.id },
            query: { key, max_points: CURVE_POINTS },
            signal
          })
        )
      );
      this._histories.set(key, history);
    }
    return history;
  }

  /** The files below a folder of the run's artifacts. */
  async artifacts(path: string): Promise<Artifact[]> {
    const list = await this.workspace.client.get(
      '/tracking/runs/{run_id}/artifacts',
      { path: { run_id: this.id }, query: { path } }
    );
    return list.items;
  }

  /** A file with the run's notebook, byte for byte as it was. */
  notebook(): Promise<RunNotebook> {
    return this.workspace.client.post('/tracking/runs/{run_id}/notebook', {
      path: { run_id: this.id }
    });
  }

  /** Put the run in the trash. */
  async delete(): Promise<void> {
    await this.workspace.client.delete('/tracking/runs/{run_id}', {
      path: { run_id: this.id }
    });
    await this.query.refresh();
  }

  /** Take the run out of the trash. */
  async restore(): Promise<void> {
    await this.workspace.client.post('/tracking/runs/{run_id}/restore', {
      path: { run_id: this.id }
    });
    await this.query.refresh();
  }

  private live<T>(
    load: ConstructorParameters<typeof WorkspaceQuery<T>>[0]['load']
  ): WorkspaceQuery<T> {
    return new WorkspaceQuery<T>({
      workspaces: this.services.workspaces,
      changes: this.services.changes,
      workspace: this.workspace,
      load,
      concerns: (change: IChange) =>
        change.topic === 'run' && change.key === this.id
    });
  }

  private _histories = new Map<string, WorkspaceQuery<MetricHistory>>();
}
