import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import type { IServices } from '../components';
import { localPath } from '../workspace/paths';
import { ImpactLines } from './impact-lines';
import { ImpactModel } from './impact-model';
import { Origins } from './origins';
import { OutputOrigins } from './output-origins';

interface IParts {
  readonly key: string;
  readonly impact: ImpactModel;
  readonly lines: ImpactLines;
  readonly outputs: OutputOrigins;
}

/** Where the results of one open notebook come from and what its cells lead to. */
export class NotebookProvenance implements IDisposable {
  constructor(
    private readonly services: IServices,
    private readonly panel: NotebookPanel
  ) {
    services.workspaces.changed.connect(this.follow, this);
    panel.context.pathChanged.connect(this.follow, this);
    panel.disposed.connect(this.dispose, this);
    this.follow();
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this.services.workspaces.changed.disconnect(this.follow, this);
    this.panel.context.pathChanged.disconnect(this.follow, this);
    this.close();
  }

  /** Say whether the notebook is in front: nothing is asked for while it is not. */
  setActive(active: boolean): void {
    this._active = active;
    this._parts?.impact.setActive(active);
  }

  /** Show what made the last output of the active cell; false: it has no output. Null: in no workspace. */
  show(): boolean | null {
    return this._parts?.outputs.show() ?? null;
  }

  private follow(): void {
    const workspace = this.services.workspaces.current;
    const path = workspace?.fromLab(localPath(this.panel.context.path));
    // While another notebook is in front, its workspace is the current one.
    if (!workspace || !path) {
      return;
    }
    const key = `${workspace.root}\n${path}`;
    if (key === this._parts?.key) {
      return;
    }
    this.close();
    const { content } = this.panel;
    const impact = new ImpactModel(this.services, workspace, path);
    this._parts = {
      key,
      impact,
      lines: new ImpactLines(this.services, impact, content),
      outputs: new OutputOrigins(this.services, new Origins(workspace), content)
    };
    impact.setActive(this._active);
  }

  private close(): void {
    this._parts?.lines.dispose();
    this._parts?.outputs.dispose();
    this._parts?.impact.dispose();
    this._parts = undefined;
  }

  private _active = false;
  private _disposed = false;
  private _parts: IParts | undefined;
}
