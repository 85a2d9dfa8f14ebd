import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { Action, IChange, IChanges, Topic } from './tokens';

/** The same as `SCHEMA_ID` in `jupyter_mlops/events.py`. */
export const SCHEMA_ID = 'https://schema.jupyter.org/jupyter_mlops/change/v1';

/** A page hidden for longer than this may have lost its connection unnoticed. */
const SLEEP_MS = 60_000;

/** The one subscription to Jupyter's event stream. */
export class ChangeStream implements IChanges, IDisposable {
  constructor(emissions: AsyncIterable<unknown>) {
    void this.listen(emissions);
    document.addEventListener('visibilitychange', this.onVisibility);
    window.addEventListener('online', this.announceMissed);
  }

  get changed(): ISignal<this, IChange> {
    return this._changed;
  }

  get missed(): ISignal<this, void> {
    return this._missed;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    document.removeEventListener('visibilitychange', this.onVisibility);
    window.removeEventListener('online', this.announceMissed);
    Signal.clearData(this);
  }

  /** Tell everybody to ask again. */
  readonly announceMissed = (): void => {
    this._missed.emit();
  };

  private async listen(emissions: AsyncIterable<unknown>): Promise<void> {
    for await (const emission of emissions) {
      if (this._disposed) {
        return;
      }
      const change = parseChange(emission);
      if (change) {
        this.receive(change);
      }
    }
  }

  private receive(change: IChange): void {
    const last = this._seen.get(change.workspace);
    if (change.seq > 0) {
      this._seen.set(change.workspace, Math.max(change.seq, last ?? 0));
    }
    this._changed.emit(change);
    if (last !== undefined && change.seq > last + 1) {
      this._missed.emit();
    }
  }

  private readonly onVisibility = (): void => {
    if (document.visibilityState === 'hidden') {
      this._hiddenAt = Date.now();
    } else if (this._hiddenAt && Date.now() - this._hiddenAt > SLEEP_MS) {
      this._hiddenAt = 0;
      this._missed.emit();
    }
  };

  private _changed = new Signal<this, IChange>(this);
  private _disposed = false;
  private _hiddenAt = 0;
  private _missed = new Signal<this, void>(this);
  private _seen = new Map<string, number>();
}

/** Return an emission as a change; null: it is another extension's, or malformed. */
export function parseChange(emission: unknown): IChange | null {
  if (typeof emission !== 'object' || emission === null) {
    return null;
  }
  const event = emission as Record<string, unknown>;
  if (
    event.schema_id !== SCHEMA_ID ||
    typeof event.topic !== 'string' ||
    typeof event.key !== 'string'
  ) {
    return null;
  }
  return {
    workspace: typeof event.workspace === 'string' ? event.workspace : '',
    topic: event.topic as Topic,
    key: event.key,
    action: (event.action ?? 'updated') as Action,
    seq: typeof event.seq === 'number' ? event.seq : 0,
    data: (event.data ?? {}) as Record<string, unknown>
  };
}
