import type { Contents } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IServices } from '../components';
import { WorkspaceQuery } from '../workspace/query';
import { localPath } from '../workspace/paths';
import type { IOpenNotebooks } from './open-notebooks';
import type { KeptNotebookPage, NotebookVersionPage } from './types';

const VERSIONS_AT_FIRST = 50;
const MOST_VERSIONS = 1000;
const DELETED_SHOWN = 50;
const TYPING_MS = 300;

/** Which versions are listed. */
export type Filter = '' | 'save' | 'execution' | 'named';

/** The versions of the notebook in front, and the notebooks that were deleted. */
export class HistoryModel implements IDisposable {
  constructor(
    private readonly services: IServices,
    private readonly notebooks: IOpenNotebooks
  ) {
    const { workspaces, changes } = services;
    this.versions = new WorkspaceQuery<NotebookVersionPage | undefined>({
      workspaces,
      changes,
      load: async (client, signal) => {
        const path = this.path;
        return path
          ? client.get('/versioning/notebook/versions', {
              query: {
                path,
                search: this._search,
                cause: this._filter === 'named' ? '' : this._filter,
                named: this._filter === 'named',
                max_results: this._count
              },
              signal
            })
          : undefined;
      },
      concerns: change =>
        change.topic === 'notebook' && change.key === this.path
    });
    this.deleted = new WorkspaceQuery<KeptNotebookPage>({
      workspaces,
      changes,
      load: (client, signal) =>
        client.get('/versioning/notebooks', {
          query: { deleted: true, max_results: DELETED_SHOWN },
          signal
        }),
      concerns: change => change.topic === 'notebook'
    });
    this._path = this.path;
    workspaces.changed.connect(this.onLocation, this);
    notebooks.changed.connect(this.onLocation, this);
    services.fileChanged.connect(this.onFile, this);
    this.versions.changed.connect(this.emit, this);
    this.deleted.changed.connect(this.emit, this);
  }

  readonly versions: WorkspaceQuery<NotebookVersionPage | undefined>;
  readonly deleted: WorkspaceQuery<KeptNotebookPage>;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The notebook in front, as a workspace path; empty: none of this workspace. */
  get path(): string {
    const { current } = this.notebooks;
    return (
      (current && this.services.workspaces.current?.fromLab(current)) || ''
    );
  }

  get search(): string {
    return this._search;
  }

  get filter(): Filter {
    return this._filter;
  }

  get isDisposed(): boolean {
    return this.versions.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    clearTimeout(this._typing);
    this.services.workspaces.changed.disconnect(this.onLocation, this);
    this.notebooks.changed.disconnect(this.onLocation, this);
    this.services.fileChanged.disconnect(this.onFile, this);
    this.versions.dispose();
    this.deleted.dispose();
    Signal.clearData(this);
  }

  /** Whether the panel can be seen. */
  get isActive(): boolean {
    return this.versions.isActive;
  }

  setActive(active: boolean): void {
    this.versions.setActive(active);
    this.deleted.setActive(active);
    this._changed.emit();
  }

  /** Search when the person has stopped typing: every version may be looked through. */
  setSearch(search: string): void {
    this._search = search;
    clearTimeout(this._typing);
    this._typing = setTimeout(() => {
      void this.versions.refresh();
    }, TYPING_MS);
  }

  setFilter(filter: Filter): void {
    this._filter = filter;
    void this.versions.refresh();
  }

  showMore(): void {
    this._count = Math.min(this._count * 4, MOST_VERSIONS);
    void this.versions.refresh();
  }

  private emit(): void {
    this._changed.emit();
  }

  private onLocation(): void {
    if (this.path !== this._path) {
      this._path = this.path;
      clearTimeout(this._typing);
      this._search = '';
      this._filter = '';
      this._count = VERSIONS_AT_FIRST;
      this.versions.reset();
    }
    this._changed.emit();
  }

  private onFile(_: unknown, change: Contents.IChangedArgs): void {
    if (change.type === 'delete' || change.type === 'rename') {
      this.deleted.invalidate();
    }
    const path = localPath(
      change.newValue?.path ?? change.oldValue?.path ?? ''
    );
    if (path === this.notebooks.current) {
      // Whether the file is equal to a version has changed.
      this.versions.invalidate();
    }
  }

  private _changed = new Signal<this, void>(this);
  private _count = VERSIONS_AT_FIRST;
  private _filter: Filter = '';
  private _path = '';
  private _search = '';
  private _typing: ReturnType<typeof setTimeout> | undefined;
}
