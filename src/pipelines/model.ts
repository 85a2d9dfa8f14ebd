import type { Contents } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IServices } from '../components';
import { WorkspaceQuery } from '../workspace/query';
import type { PipelineFile, PipelineRunPage } from './types';

/** Runs shown in the panel; older ones on demand. */
const RUNS_AT_FIRST = 20;
const MOST_RUNS = 1000;

/** The pipeline files of the current workspace and their runs. */
export class PipelinesModel implements IDisposable {
  constructor(private readonly services: IServices) {
    const { workspaces, changes } = services;
    this.files = new WorkspaceQuery<PipelineFile[]>({
      workspaces,
      changes,
      load: async (client, signal) =>
        (await client.get('/pipelines', { signal })).items,
      concerns: change => change.topic === 'workspace'
    });
    this.runs = new WorkspaceQuery<PipelineRunPage>({
      workspaces,
      changes,
      load: (client, signal) =>
        client.get('/pipelines/runs', {
          query: { max_results: this._count },
          signal
        }),
      concerns: change =>
        change.topic === 'pipeline_run' ||
        (change.topic === 'step_run' && change.action !== 'progress')
    });
    this.files.changed.connect(this.emit, this);
    this.runs.changed.connect(this.emit, this);
    services.fileChanged.connect(this.onFile, this);
  }

  readonly files: WorkspaceQuery<PipelineFile[]>;
  readonly runs: WorkspaceQuery<PipelineRunPage>;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this.runs.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.services.fileChanged.disconnect(this.onFile, this);
    this.files.dispose();
    this.runs.dispose();
    Signal.clearData(this);
  }

  setActive(active: boolean): void {
    if (active) {
      // Files also change outside Lab, which nobody announces.
      this.files.invalidate();
    }
    this.files.setActive(active);
    this.runs.setActive(active);
  }

  showMore(): void {
    this._count = Math.min(this._count * 3, MOST_RUNS);
    void this.runs.refresh();
  }

  private onFile(_: unknown, change: Contents.IChangedArgs): void {
    const paths = [change.newValue?.path, change.oldValue?.path];
    if (paths.some(path => path && /\.pipeline\.ya?ml$/.test(path))) {
      this.files.invalidate();
    }
  }

  private emit(): void {
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
  private _count = RUNS_AT_FIRST;
}
