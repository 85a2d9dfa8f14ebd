import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { ApiClient, Schemas } from '../api';
import { asMlopsError, isAbort, MlopsError, WorkspaceClient } from '../api';
import type { IChange, IChanges } from '../events/tokens';
import { noTranslation } from '../i18n';
import { toServerPath, toWorkspacePath } from './paths';
import type { IWorkspace, IWorkspaceModel } from './tokens';

type State = Schemas['WorkspaceState'];

/** Where the person is in Lab. */
export interface ILocation {
  /** Folder in Lab. */
  readonly folder: string;
  /** Notebook in front, a path in Lab; empty: none. */
  readonly notebook: string;
}

/** A workspace as {@link WorkspaceModel} hands it out. */
export class Workspace implements IWorkspace {
  constructor(
    api: ApiClient,
    readonly state: State
  ) {
    this.client = new WorkspaceClient(api, state.root);
  }

  readonly client: WorkspaceClient;

  get root(): string {
    return this.state.root;
  }

  toLab(path: string): string | null {
    return toServerPath(this.state, path);
  }

  fromLab(path: string): string | null {
    return toWorkspacePath(this.state, path);
  }
}

/** Follows the person from folder to folder and asks the server whose they are. */
export class WorkspaceModel implements IWorkspaceModel, IDisposable {
  constructor(
    private readonly api: ApiClient,
    private readonly changes: IChanges,
    private readonly trans: TranslationBundle = noTranslation()
  ) {
    changes.changed.connect(this.onChange, this);
    changes.missed.connect(this.onMissed, this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get status(): IWorkspaceModel['status'] {
    return this._status;
  }

  get current(): IWorkspace | null {
    return this._current;
  }

  get error(): MlopsError | undefined {
    return this._error;
  }

  get folder(): string {
    return this._location.folder;
  }

  get notebook(): string {
    const { notebook } = this._location;
    return (notebook && this._current?.fromLab(notebook)) || '';
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._abort?.abort();
    this.changes.changed.disconnect(this.onChange, this);
    this.changes.missed.disconnect(this.onMissed, this);
    Signal.clearData(this);
  }

  start(): void {
    if (!this._started) {
      this._started = true;
      void this.refresh();
    }
  }

  /** The person went elsewhere. */
  setLocation(location: ILocation): void {
    const before = this._location;
    if (
      before.folder === location.folder &&
      before.notebook === location.notebook
    ) {
      return;
    }
    this._location = location;
    if (this._started && before.folder !== location.folder) {
      void this.refresh();
    } else if (before.notebook !== location.notebook) {
      this._changed.emit();
    }
  }

  async refresh(): Promise<void> {
    this._started = true;
    this._abort?.abort();
    const abort = new AbortController();
    this._abort = abort;
    if (this._status !== 'ready') {
      this._status = 'loading';
      this._changed.emit();
    }
    try {
      const state = await this.ask(this._location.folder, abort.signal);
      if (this._abort === abort) {
        this.settle(state);
      }
    } catch (error) {
      if (this._abort === abort && !isAbort(error)) {
        this._current = null;
        this._status = 'failed';
        this._error = asMlopsError(error);
        this._changed.emit();
      }
    }
  }

  async open(root: string): Promise<IWorkspace> {
    if (this._current?.root === root) {
      return this._current;
    }
    let known = this._opened.get(root);
    if (!known) {
      known = this.ask(root).then(state => {
        if (!state.found || state.root !== root) {
          throw new MlopsError({
            code: 'not-a-workspace',
            what: this.trans.__('"%1" is no longer a workspace.', root || '/'),
            next: this.trans.__(
              'See whether its mlops.toml was moved or removed.'
            )
          });
        }
        return new Workspace(this.api, state);
      });
      this._opened.set(root, known);
      known.catch(() => this._opened.delete(root));
    }
    return known;
  }

  async init(folder: string, name = ''): Promise<void> {
    await this.api.post('/workspace', { body: { path: folder, name } });
    this._started = true;
    await this.refresh();
  }

  private ask(path: string, signal?: AbortSignal): Promise<State> {
    return this.api.get('/workspace', {
      query: { path },
      ...(signal && { signal })
    });
  }

  private settle(state: State): void {
    this._error = undefined;
    this._current = null;
    if (!state.found) {
      this._status = 'none';
    } else if (state.problem) {
      this._status = 'broken';
      this._error = new MlopsError(state.problem);
    } else {
      this._status = 'ready';
      this._current = new Workspace(this.api, state);
    }
    this._changed.emit();
  }

  private onChange(_: IChanges, change: IChange): void {
    const here = change.workspace === this._current?.root;
    if (
      this._started &&
      (change.topic === 'workspace' || (here && change.topic === 'worker'))
    ) {
      void this.refresh();
    }
  }

  private onMissed(): void {
    // Asking for a workspace also makes the server watch it, which a server
    // that was started anew does not do yet.
    for (const root of this._opened.keys()) {
      void this.ask(root).catch(() => this._opened.delete(root));
    }
    if (this._started) {
      void this.refresh();
    }
  }

  private _abort: AbortController | null = null;
  private _changed = new Signal<this, void>(this);
  private _current: IWorkspace | null = null;
  private _disposed = false;
  private _error: MlopsError | undefined;
  private _location: ILocation = { folder: '', notebook: '' };
  private _opened = new Map<string, Promise<IWorkspace>>();
  private _started = false;
  private _status: IWorkspaceModel['status'] = 'idle';
}
