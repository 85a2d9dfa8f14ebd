import type { IServices } from '../components';
import { LiveModel } from '../workspace/live-model';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { PipelineRun, StepRunDetail } from './types';

/** One pipeline run, live: its steps, and the cells of those that are open. */
export class PipelineRunModel extends LiveModel {
  constructor(
    private readonly services: IServices,
    readonly workspace: IWorkspace,
    readonly id: string
  ) {
    super();
    this.query = this.follow(
      new WorkspaceQuery<PipelineRun>({
        workspaces: services.workspaces,
        changes: services.changes,
        workspace,
        load: (client, signal) =>
          client.get('/pipelines/runs/{run_id}', {
            path: { run_id: id },
            signal
          }),
        concerns: ({ topic, key }) =>
          (topic === 'pipeline_run' && key === id) ||
          (topic === 'step_run' && key.startsWith(`${id}/`))
      })
    );
  }

  readonly query: WorkspaceQuery<PipelineRun>;

  get run(): PipelineRun | undefined {
    return this.query.data;
  }

  /** Whether a step's cells are shown: as the person chose, else while it runs or where it failed. */
  isOpen(step: string): boolean {
    const chosen = this._chosen.get(step);
    if (chosen !== undefined) {
      return chosen;
    }
    const status = this.run?.steps.find(s => s.name === step)?.status;
    return status === 'running' || status === 'failed';
  }

  toggle(step: string): void {
    this._chosen.set(step, !this.isOpen(step));
    this.emit();
  }

  /** A step with its cells, outputs and log, kept live. */
  detail(step: string): WorkspaceQuery<StepRunDetail> {
    let detail = this._details.get(step);
    if (!detail) {
      detail = this.hold(
        new WorkspaceQuery<StepRunDetail>({
          workspaces: this.services.workspaces,
          changes: this.services.changes,
          workspace: this.workspace,
          load: (client, signal) =>
            client.get('/pipelines/runs/{run_id}/steps/{step}', {
              path: { run_id: this.id, step },
              signal
            }),
          concerns: ({ topic, key }) =>
            (topic === 'step_run' && key === `${this.id}/${step}`) ||
            (topic === 'pipeline_run' && key === this.id)
        })
      );
      this._details.set(step, detail);
    }
    return detail;
  }

  /** Stop it; finished steps stay finished. */
  async cancel(): Promise<void> {
    this.query.set(
      await this.workspace.client.post('/pipelines/runs/{run_id}/cancel', {
        path: { run_id: this.id }
      })
    );
  }

  /** Go on after the last finished step. */
  async resume(): Promise<void> {
    this._chosen.clear();
    this.query.set(
      await this.workspace.client.post('/pipelines/runs/{run_id}/resume', {
        path: { run_id: this.id }
      })
    );
  }

  private _chosen = new Map<string, boolean>();
  private _details = new Map<string, WorkspaceQuery<StepRunDetail>>();
}
