import type { WorkspaceClient } from '../api';
import { LiveQuery } from '../api';
import type { IChange, IChanges } from '../events/tokens';
import type { IWorkspace, IWorkspaceModel } from './tokens';

interface IOptions<T> {
  readonly workspaces: IWorkspaceModel;
  readonly changes: IChanges;
  /** Stay with this workspace; left out: follow the current one. */
  readonly workspace?: IWorkspace;
  load(client: WorkspaceClient, signal: AbortSignal): Promise<T>;
  /** Whether a change of the workspace makes the answer stale. */
  concerns(change: IChange): boolean;
}

/** A {@link LiveQuery} to a workspace, which the workspace's changes keep fresh. */
export class WorkspaceQuery<T> extends LiveQuery<T | undefined> {
  constructor(private readonly options: IOptions<T>) {
    super(async signal => {
      const client = this.workspace?.client;
      return client && options.load(client, signal);
    });
    this._root = this.workspace?.root;
    options.workspaces.changed.connect(this.onWorkspace, this);
    options.changes.changed.connect(this.onChange, this);
    options.changes.missed.connect(this.invalidate, this);
  }

  /** The workspace that is asked; null: there is none now. */
  get workspace(): IWorkspace | null {
    return this.options.workspace ?? this.options.workspaces.current;
  }

  override dispose(): void {
    const { workspaces, changes } = this.options;
    workspaces.changed.disconnect(this.onWorkspace, this);
    changes.changed.disconnect(this.onChange, this);
    changes.missed.disconnect(this.invalidate, this);
    super.dispose();
  }

  private onWorkspace(): void {
    const root = this.workspace?.root;
    if (root !== this._root) {
      this._root = root;
      this.reset();
    }
  }

  private onChange(_: IChanges, change: IChange): void {
    if (
      change.workspace === this._root &&
      this._root !== undefined &&
      this.options.concerns(change)
    ) {
      this.invalidate();
    }
  }

  private _root: string | undefined;
}
