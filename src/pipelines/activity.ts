import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IChange, IChanges } from '../events/tokens';
import type { IWorkspace, IWorkspaceModel } from '../workspace/tokens';

const RUNNING = new Set(['queued', 'running']);

/**
 * How many pipeline runs of the current workspace are under way.
 *
 * Counted from the announced changes; the server is asked only once per
 * workspace, and only where its worker says that it has work.
 */
export class ActivityModel implements IDisposable {
  constructor(
    private readonly workspaces: IWorkspaceModel,
    private readonly changes: IChanges
  ) {
    workspaces.changed.connect(this.onWorkspace, this);
    changes.changed.connect(this.onChange, this);
    changes.missed.connect(this.ask, this);
    this.onWorkspace();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get count(): number {
    return this._active.size;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this.workspaces.changed.disconnect(this.onWorkspace, this);
    this.changes.changed.disconnect(this.onChange, this);
    this.changes.missed.disconnect(this.ask, this);
    Signal.clearData(this);
  }

  private onWorkspace(): void {
    const { current } = this.workspaces;
    if (current?.root === this._root) {
      return;
    }
    this._root = current?.root;
    this._active.clear();
    this._changed.emit();
    if (current?.state.worker?.active) {
      this.ask();
    }
  }

  private onChange(_: IChanges, change: IChange): void {
    const { status } = change.data;
    if (
      change.workspace !== this._root ||
      change.topic !== 'pipeline_run' ||
      typeof status !== 'string'
    ) {
      return;
    }
    if (RUNNING.has(status)) {
      this._active.add(change.key);
    } else {
      this._active.delete(change.key);
    }
    this._changed.emit();
  }

  private ask(): void {
    const { current } = this.workspaces;
    if (current) {
      // Without an answer the count starts at nothing and follows the changes.
      this.seed(current).catch(() => undefined);
    }
  }

  private async seed(workspace: IWorkspace): Promise<void> {
    const pages = await Promise.all(
      (['running', 'queued'] as const).map(status =>
        workspace.client.get('/pipelines/runs', { query: { status } })
      )
    );
    if (!this._disposed && this._root === workspace.root) {
      this._active = new Set(
        pages.flatMap(page => page.items.map(run => run.id))
      );
      this._changed.emit();
    }
  }

  private _active = new Set<string>();
  private _changed = new Signal<this, void>(this);
  private _disposed = false;
  private _root: string | undefined;
}
