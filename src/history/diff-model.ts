import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IServices } from '../components';
import { localPath } from '../workspace/paths';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { NotebookDiff, NotebookVersionPage } from './types';

/** Versions that can be chosen from. */
const CHOICE = 200;

/** Two states of a notebook and how they differ. */
export class DiffModel implements IDisposable {
  constructor(
    private readonly services: IServices,
    readonly workspace: IWorkspace,
    readonly path: string,
    /** Id of the version that is looked at. */
    readonly base: string,
    private _other: string
  ) {
    const { workspaces, changes } = services;
    this.diff = new WorkspaceQuery<NotebookDiff>({
      workspaces,
      changes,
      workspace,
      load: (client, signal) => {
        // The older one is the base, whichever way they were chosen.
        const other = this._other;
        const [first, second] =
          other && other < base ? [other, base] : [base, other];
        return client.get('/versioning/notebook/diff', {
          query: { path, base: first, other: second },
          signal
        });
      },
      concerns: () => false
    });
    this.versions = new WorkspaceQuery<NotebookVersionPage>({
      workspaces,
      changes,
      workspace,
      load: (client, signal) =>
        client.get('/versioning/notebook/versions', {
          query: { path, max_results: CHOICE },
          signal
        }),
      concerns: change => change.topic === 'notebook' && change.key === path
    });
    services.fileChanged.connect(this.onFile, this);
    this.diff.changed.connect(this.emit, this);
    this.versions.changed.connect(this.emit, this);
  }

  readonly diff: WorkspaceQuery<NotebookDiff>;
  readonly versions: WorkspaceQuery<NotebookVersionPage>;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Id of the version it is compared with; empty: the file as it is now. */
  get other(): string {
    return this._other;
  }

  get isDisposed(): boolean {
    return this.diff.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.services.fileChanged.disconnect(this.onFile, this);
    this.diff.dispose();
    this.versions.dispose();
    Signal.clearData(this);
  }

  setActive(active: boolean): void {
    this.diff.setActive(active);
    this.versions.setActive(active);
  }

  compareWith(other: string): void {
    this._other = other;
    this.diff.reset();
  }

  private emit(): void {
    this._changed.emit();
  }

  private onFile(
    _: unknown,
    change: { newValue: { path?: string } | null }
  ): void {
    const saved = this.workspace.fromLab(
      localPath(change.newValue?.path ?? '')
    );
    if (!this._other && saved === this.path) {
      this.diff.invalidate();
    }
  }

  private _changed = new Signal<this, void>(this);
}
