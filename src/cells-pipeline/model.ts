import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { MlopsError } from '../api';
import { asMlopsError, isAbort } from '../api';
import type { IWorkspace } from '../workspace/tokens';
import { choices } from './edits';
import type { CellsPipeline, StepChoice } from './types';

/** The steps proposed for one notebook, as a person changes them, until they are written. */
export class CellsPipelineModel implements IDisposable {
  constructor(
    readonly workspace: IWorkspace,
    readonly notebook: string
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The last proposal; it stays while another one is asked for, or is refused. */
  get proposal(): CellsPipeline | undefined {
    return this._proposal;
  }

  get error(): MlopsError | undefined {
    return this._error;
  }

  get busy(): boolean {
    return this._request !== null;
  }

  /** Where to write; empty: beside the notebook. */
  folder = '';

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._request?.abort();
    Signal.clearData(this);
  }

  /** Propose anew, by tags, headings, or where least moves across. */
  async propose(): Promise<void> {
    this._steps = [];
    await this.ask(false, false);
  }

  /** Propose with the steps as a person wants them. */
  async edit(change: (steps: StepChoice[]) => StepChoice[]): Promise<void> {
    if (!this._proposal) {
      return;
    }
    const before = this._steps;
    this._steps = change(choices(this._proposal));
    await this.ask(false, false);
    if (this._error) {
      // What is shown is what would be written.
      this._steps = before;
    }
  }

  async write(overwrite: boolean): Promise<void> {
    await this.ask(true, overwrite);
  }

  private async ask(write: boolean, overwrite: boolean): Promise<void> {
    this._request?.abort();
    const request = new AbortController();
    this._request = request;
    this._changed.emit();
    try {
      this._proposal = await this.workspace.client.post(
        '/pipelines/from-cells',
        {
          body: {
            notebook: this.notebook,
            steps: this._steps,
            not_kept: [],
            folder: this.folder,
            write,
            overwrite
          },
          signal: request.signal
        }
      );
      this._error = undefined;
    } catch (error) {
      if (isAbort(error)) {
        return;
      }
      this._error = asMlopsError(error);
    } finally {
      if (this._request === request) {
        this._request = null;
      }
    }
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }

  private _steps: StepChoice[] = [];
  private _proposal: CellsPipeline | undefined;
  private _error: MlopsError | undefined;
  private _request: AbortController | null = null;
  private _isDisposed = false;
  private readonly _changed = new Signal<this, void>(this);
}
