import type { INotebookTracker, Notebook } from '@jupyterlab/notebook';
import { NotebookActions } from '@jupyterlab/notebook';
import type { PartialJSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { IServices } from '../components/services';
import { localPath } from '../workspace/paths';
import type { NotebookContext } from './open-notebooks';

/** While cells run, a notebook is sent at most once in this time, ms; the last state always is. */
const INTERVAL_MS = 10_000;
/** The first state after a pause is sent this long after the cell ended, ms: a run of cells is one. */
const FIRST_MS = 1000;
/** Writing a large notebook as JSON holds up the page: it is done this many times more rarely than it takes. */
const LOAD_FACTOR = 50;
/** The server takes 16 MB; a larger notebook is versioned when it is saved. */
const LARGEST = 15_000_000;
/** The server was away, or keeps no versions: it is not asked again for so long, ms. */
const AFTER_FAILURE_MS = 300_000;

/**
 * Sends what the screen shows to the server when cells ran and the document
 * differs from its file. What is saved the server notices by itself.
 */
export class KeepExecutions implements IDisposable {
  constructor(
    private readonly services: IServices,
    private readonly notebooks: INotebookTracker
  ) {
    NotebookActions.executed.connect(this.onExecuted, this);
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    NotebookActions.executed.disconnect(this.onExecuted, this);
    this._timers.forEach(timer => clearTimeout(timer));
    this._timers.clear();
  }

  private onExecuted(_: unknown, args: { notebook: Notebook }): void {
    const panel = this.notebooks.find(each => each.content === args.notebook);
    if (!panel || this._timers.has(panel.context)) {
      return;
    }
    // Which workspace it is in is asked only now.
    this.services.workspaces.start();
    const { context } = panel;
    const wait = Math.max(
      FIRST_MS,
      (this._notBefore.get(context) ?? 0) - Date.now()
    );
    this._timers.set(
      context,
      setTimeout(() => {
        this._timers.delete(context);
        void this.send(context);
      }, wait)
    );
  }

  private async send(context: NotebookContext): Promise<void> {
    const { workspaces } = this.services;
    const workspace = workspaces.current;
    const path = workspace?.fromLab(localPath(context.path));
    if (context.isDisposed || !context.model.dirty || !workspace || !path) {
      return;
    }
    const begun = performance.now();
    const content = context.model.toJSON() as PartialJSONObject;
    const size = JSON.stringify(content).length;
    const took = performance.now() - begun;
    const pause = Math.max(INTERVAL_MS, LOAD_FACTOR * took);
    this._notBefore.set(context, Date.now() + pause);
    if (size > LARGEST) {
      return;
    }
    try {
      await workspace.client.post('/versioning/notebook/versions', {
        body: { path, content, cause: 'execution', execution_id: '', name: '' }
      });
    } catch {
      // Nobody asked for this version, so nobody is told: the panel says why
      // none are kept. What is not kept now is when the notebook is saved.
      this._notBefore.set(context, Date.now() + AFTER_FAILURE_MS);
    }
  }

  private _disposed = false;
  private _notBefore = new WeakMap<NotebookContext, number>();
  private _timers = new Map<NotebookContext, ReturnType<typeof setTimeout>>();
}
