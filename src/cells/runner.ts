import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { INotebookView } from './notebook-view';
import type { CellStandings } from './types';

/** A cell that goes on being stale is run again once: more would not help. */
const TIMES = 2;

/** How a run of several cells ended. */
export type RunEnd = 'done' | 'failed' | 'cancelled' | 'unsettled';

/** A run of several cells, as far as it has come. */
export interface IRunState {
  /** Places of the cells that are still to run, from 1, the running one first. */
  readonly left: readonly number[];
  readonly ran: number;
  /** Id of the cell that runs. */
  readonly cell: string;
}

interface IAsks {
  ask(only?: readonly string[]): Promise<CellStandings | null>;
}

/**
 * Runs cells one after the other, the next one told by how the cells stand after
 * the one before: what turns out not to be stale is not run.
 */
export class Runner implements IDisposable {
  constructor(
    private readonly view: INotebookView,
    private readonly model: IAsks
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The run that is under way; null: none. */
  get state(): IRunState | null {
    return this._state;
  }

  /** Id of the cell that stopped the last run; empty: none did. */
  get stoppedAt(): string {
    return this._stoppedAt;
  }

  /** Cells that the last run has run. */
  get ran(): number {
    return this._ran;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    this._cancelled = true;
    Signal.clearData(this);
  }

  /** Stop: the cell that runs is interrupted, no other one begins. */
  async cancel(): Promise<void> {
    if (this._state) {
      this._cancelled = true;
      await this.view.interrupt();
    }
  }

  /**
   * Run what is stale, or one cell and what it needs, beginning with `order`.
   * Rejects where the server can't be asked.
   */
  async run(order: readonly string[], target = ''): Promise<RunEnd> {
    this._cancelled = false;
    this._stoppedAt = '';
    this._ran = 0;
    const times = new Map<string, number>();
    try {
      let left = order;
      for (;;) {
        const [cell] = left;
        if (cell === undefined) {
          return 'done';
        }
        const before = times.get(cell) ?? 0;
        if (before >= TIMES) {
          this._stoppedAt = cell;
          return 'unsettled';
        }
        times.set(cell, before + 1);
        this.tell(left);
        const good = await this.view.run(cell);
        this._ran += 1;
        if (this._cancelled) {
          return 'cancelled';
        }
        if (!good) {
          this._stoppedAt = cell;
          return 'failed';
        }
        if (cell === target) {
          return 'done';
        }
        const answer = await this.model.ask(target ? [target] : []);
        if (this._cancelled) {
          return 'cancelled';
        }
        left = answer?.order ?? [];
      }
    } finally {
      this._state = null;
      this._changed.emit();
    }
  }

  private tell(left: readonly string[]): void {
    const places = new Map(
      this.view.cells().map(({ id }, index) => [id, index + 1])
    );
    this._state = {
      left: left.map(id => places.get(id) ?? 0),
      ran: this._ran,
      cell: left[0] ?? ''
    };
    this._changed.emit();
  }

  private _cancelled = false;
  private _changed = new Signal<this, void>(this);
  private _disposed = false;
  private _ran = 0;
  private _state: IRunState | null = null;
  private _stoppedAt = '';
}
