import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { StandingsModel } from './standings-model';
import type { LiveSlice, SliceCheckState } from './types';

/** The slice that is highlighted in a notebook. */
export class SliceModel implements IDisposable {
  constructor(private readonly standings: StandingsModel) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What is shown; null: nothing. */
  get slice(): LiveSlice | null {
    return this._slice;
  }

  /** Ids of its cells that are in the notebook, in the notebook's order. */
  get cells(): readonly string[] {
    return this._cells;
  }

  /** Which of {@link cells} is looked at; -1: none yet. */
  get place(): number {
    return this._place;
  }

  /** What came of running it alone; null: it was not asked for. */
  get check(): SliceCheckState | null {
    return this._check;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    this._asking?.abort();
    this._slice = null;
    Signal.clearData(this);
  }

  /**
   * Highlight what made something; false: something else was asked for before
   * the answer came. Rejects with an `MlopsError`.
   */
  async show(name: string): Promise<boolean> {
    this._asking?.abort();
    const asking = (this._asking = new AbortController());
    let slice: LiveSlice;
    try {
      slice = await this.client.post('/cells/live/slice', {
        body: this.question(name),
        signal: asking.signal
      });
    } catch (error) {
      if (asking.signal.aborted) {
        return false; // something else was asked for since
      }
      throw error;
    }
    if (this._disposed || asking.signal.aborted) {
      return false;
    }
    const inside = new Set(slice.cells.map(({ cell_id }) => cell_id));
    this._slice = slice;
    this._cells = this.standings.view
      .cells()
      .map(({ id }) => id)
      .filter(id => inside.has(id));
    this._place = -1;
    this._check = null;
    this._changed.emit();
    return true;
  }

  clear(): void {
    this._asking?.abort();
    this._slice = null;
    this._cells = [];
    this._check = null;
    this._changed.emit();
  }

  /** Go to the next cell (`1`) or the one before (`-1`), round and round. */
  async go(step: 1 | -1): Promise<void> {
    const count = this._cells.length;
    if (!count) {
      return;
    }
    const from = this._place < 0 && step < 0 ? 0 : this._place;
    this._place = (from + step + count) % count;
    this._changed.emit();
    await this.standings.view.reveal(this._cells[this._place] ?? '');
  }

  /** Write it to a new notebook; returns its path in the workspace. */
  async copy(): Promise<string> {
    const { path } = await this.client.post('/cells/live/slice/copy', {
      body: this.question(this._slice?.name ?? '')
    });
    return path;
  }

  /** Run it alone, and wait for what comes of it. */
  async test(): Promise<void> {
    const slice = this._slice;
    if (!slice || this._check?.state === 'running') {
      return;
    }
    this.setCheck({ state: 'running', result: '', text: '' });
    try {
      for (;;) {
        const check = await this.client.post('/cells/live/slice/check', {
          body: this.question(slice.name)
        });
        if (this._disposed || this._slice !== slice) {
          return;
        }
        if (check.state === 'done') {
          this.setCheck(check);
          return;
        }
      }
    } catch (error) {
      if (this._slice === slice) {
        this.setCheck(null);
      }
      throw error;
    }
  }

  private get client() {
    return this.standings.required.client;
  }

  private question(name: string) {
    const { view, path } = this.standings;
    return { kernel: view.kernel, cells: view.cells(), notebook: path, name };
  }

  private setCheck(check: SliceCheckState | null): void {
    this._check = check;
    this._changed.emit();
  }

  private _asking: AbortController | undefined;
  private _cells: readonly string[] = [];
  private _changed = new Signal<this, void>(this);
  private _check: SliceCheckState | null = null;
  private _disposed = false;
  private _place = -1;
  private _slice: LiveSlice | null = null;
}
