import type { Contents, ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IApiClient } from '../api/tokens';
import { MlopsError } from '../api/errors';

/** The drive's name, before the colon of a path. */
const DRIVE = 'MLOpsRuns';

interface IPlace {
  readonly workspace: string;
  readonly run: string;
  readonly step: string;
}

/** The path in Lab of a step's executed notebook. */
export function executedPath(place: IPlace): string {
  const parts = [place.workspace || '.', place.run, place.step];
  return `${DRIVE}:${parts.map(encodeURIComponent).join('/')}.ipynb`;
}

function parse(localPath: string): IPlace | null {
  const parts = localPath.replace(/\.ipynb$/, '').split('/');
  const [workspace, run, step] = parts.map(decodeURIComponent);
  return parts.length === 3 && workspace && run && step
    ? { workspace: workspace === '.' ? '' : workspace, run, step }
    : null;
}

/**
 * The executed notebooks of pipeline steps, to be opened like any notebook.
 *
 * They lie in `.mlops/`, which a Jupyter server hides; this drive reads them over
 * our own interface. They are records: nothing can be written.
 */
export class ExecutedDrive implements Contents.IDrive {
  constructor(
    private readonly api: IApiClient,
    private readonly trans: TranslationBundle
  ) {
    this.serverSettings = api.settings;
  }

  readonly name = DRIVE;
  readonly serverSettings: ServerConnection.ISettings;

  get fileChanged(): ISignal<this, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  async get(
    localPath: string,
    options?: Contents.IFetchOptions
  ): Promise<Contents.IModel> {
    const place = parse(localPath);
    if (!place) {
      return this.folder(localPath);
    }
    const found = await this.api.get(
      '/pipelines/runs/{run_id}/steps/{step}/notebook',
      {
        path: { run_id: place.run, step: place.step },
        query: { workspace: place.workspace }
      }
    );
    const at = new Date(found.modified_at * 1000).toISOString();
    const content: unknown = JSON.parse(found.content);
    return {
      name: `${place.step}.ipynb`,
      path: localPath,
      type: 'notebook',
      format: 'json',
      mimetype: 'application/x-ipynb+json',
      writable: false,
      created: at,
      last_modified: at,
      content: options?.content === false ? null : content
    };
  }

  getDownloadUrl(): Promise<string> {
    return this.refuse();
  }

  newUntitled(): Promise<Contents.IModel> {
    return this.refuse();
  }

  delete(): Promise<void> {
    return this.refuse();
  }

  rename(): Promise<Contents.IModel> {
    return this.refuse();
  }

  save(): Promise<Contents.IModel> {
    return this.refuse();
  }

  copy(): Promise<Contents.IModel> {
    return this.refuse();
  }

  createCheckpoint(): Promise<Contents.ICheckpointModel> {
    return this.refuse();
  }

  async listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return [];
  }

  restoreCheckpoint(): Promise<void> {
    return this.refuse();
  }

  deleteCheckpoint(): Promise<void> {
    return this.refuse();
  }

  /** Lab also asks for the folder of a file that it opens. */
  private folder(localPath: string): Contents.IModel {
    return {
      name: localPath.split('/').pop() ?? '',
      path: localPath,
      type: 'directory',
      format: 'json',
      mimetype: '',
      writable: false,
      created: '',
      last_modified: '',
      content: []
    };
  }

  private refuse<T>(): Promise<T> {
    return Promise.reject(
      new MlopsError({
        code: 'read-only',
        what: this.trans.__('An executed notebook is a record.'),
        why: this.trans.__('It can be read, not changed.'),
        next: this.trans.__(
          'Change the notebook that was run, and run it again.'
        )
      })
    );
  }

  private _disposed = false;
  private _fileChanged = new Signal<this, Contents.IChangedArgs>(this);
}
