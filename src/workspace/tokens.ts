import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { MlopsError, Schemas, WorkspaceClient } from '../api';

/** A workspace that the server knows, and the way to ask about it. */
export interface IWorkspace {
  /** Folder below the server's root; empty: the root. Also its key in changes. */
  readonly root: string;
  readonly client: WorkspaceClient;
  /** As it stood when the server was last asked. */
  readonly state: Schemas['WorkspaceState'];
  /** Path in Lab of a workspace path; null: Lab can't reach it. */
  toLab(path: string): string | null;
  /** Workspace path of a path in Lab; null: it is not in this workspace. */
  fromLab(path: string): string | null;
}

/** Which workspace the person is in: that of the active notebook, else of the file browser's folder. */
export interface IWorkspaceModel {
  /** Emitted when any of the fields below changed. */
  readonly changed: ISignal<IWorkspaceModel, void>;

  /**
   * - `idle`: nobody has asked yet
   * - `none`: the folder is in no workspace
   * - `broken`: `mlops.toml` can't be read, see `error`
   * - `failed`: the server could not be asked, see `error`
   */
  readonly status: 'idle' | 'loading' | 'ready' | 'none' | 'broken' | 'failed';

  /** The current workspace; null unless `status` is `ready`. */
  readonly current: IWorkspace | null;

  readonly error: MlopsError | undefined;

  /** Folder in Lab that was asked about. */
  readonly folder: string;

  /** Notebook in front, as a workspace path; empty: none. */
  readonly notebook: string;

  /** Begin to follow the person. Nothing is requested before. */
  start(): void;

  /** Ask again. */
  refresh(): Promise<void>;

  /**
   * Return the workspace with this root, asking the server the first time, which
   * also makes the server announce its changes. Rejects with an `MlopsError`.
   */
  open(root: string): Promise<IWorkspace>;

  /** Make a folder in Lab a workspace. Rejects with an `MlopsError`. */
  init(folder: string, name?: string): Promise<void>;
}

export const IWorkspaceModel = new Token<IWorkspaceModel>(
  'jupyter-mlops:IWorkspaceModel',
  'The workspace that the person is in.'
);
