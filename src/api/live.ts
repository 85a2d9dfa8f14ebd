import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { MlopsError } from './errors';
import { asMlopsError, isAbort } from './errors';

/** Changes that come within this time are answered by one request. */
const COALESCE_MS = 150;

/**
 * An answer of the server that is kept fresh while somebody looks.
 *
 * Whoever hears of a change calls {@link invalidate}. While the query is active
 * that loads anew, once for all changes of a moment and never two at a time;
 * while it is not, the answer is only marked stale, and loaded when it becomes
 * active. There is no polling.
 */
export class LiveQuery<T> implements IDisposable {
  constructor(private readonly load: (signal: AbortSignal) => Promise<T>) {}

  /** Emitted after any of the fields below changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The latest answer; kept while a newer one is loaded or has failed. */
  get data(): T | undefined {
    return this._data;
  }

  /** Why the latest load failed; undefined: it did not. */
  get error(): MlopsError | undefined {
    return this._error;
  }

  get isLoading(): boolean {
    return this._abort !== null;
  }

  get isActive(): boolean {
    return this._active;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._active = false;
    this.stop();
    Signal.clearData(this);
  }

  /** Somebody looks (true) or nobody does (false). */
  setActive(active: boolean): void {
    if (this._disposed || active === this._active) {
      return;
    }
    this._active = active;
    if (active && this._stale) {
      void this.refresh();
    } else if (!active && this._timer !== undefined) {
      clearTimeout(this._timer);
      this._timer = undefined;
    }
  }

  /** The answer no longer holds. */
  invalidate(): void {
    if (this._disposed) {
      return;
    }
    this._stale = true;
    if (this._active && this._timer === undefined && !this._abort) {
      this._timer = setTimeout(() => {
        this._timer = undefined;
        void this.refresh();
      }, COALESCE_MS);
    }
  }

  /** Forget the answer: what is asked for has changed. */
  reset(): void {
    this.stop();
    this._data = undefined;
    this._error = undefined;
    this._stale = true;
    this._changed.emit();
    if (this._active) {
      void this.refresh();
    }
  }

  /** Replace the answer by what is already known, without a request. */
  set(data: T): void {
    this._data = data;
    this._error = undefined;
    this._changed.emit();
  }

  /** Load now. Resolves when the answer (or its error) is in; never rejects. */
  async refresh(): Promise<void> {
    if (this._disposed) {
      return;
    }
    this.stop();
    const abort = new AbortController();
    this._abort = abort;
    this._stale = false;
    this._changed.emit();
    try {
      const data = await this.load(abort.signal);
      if (this._abort !== abort) {
        return;
      }
      this._data = data;
      this._error = undefined;
    } catch (error) {
      if (this._abort !== abort) {
        return;
      }
      if (!isAbort(error)) {
        this._error = asMlopsError(error);
      }
    }
    this._abort = null;
    this._changed.emit();
    if (this._stale) {
      this.invalidate();
    }
  }

  private stop(): void {
    this._abort?.abort();
    this._abort = null;
    if (this._timer !== undefined) {
      clearTimeout(this._timer);
      this._timer = undefined;
    }
  }

  private _abort: AbortController | null = null;
  private _active = false;
  private _changed = new Signal<this, void>(this);
  private _data: T | undefined;
  private _disposed = false;
  private _error: MlopsError | undefined;
  private _stale = true;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
