import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

interface IPart extends IDisposable {
  readonly changed: ISignal<unknown, unknown>;
  setActive(active: boolean): void;
}

/** A model of live parts, such as queries: they are looked at, and go, together with it. */
export class LiveModel implements IDisposable {
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._parts.forEach(part => part.dispose());
    Signal.clearData(this);
  }

  /** Somebody looks (true) or nobody does (false). */
  setActive(active: boolean): void {
    this._active = active;
    this._parts.forEach(part => part.setActive(active));
  }

  /** Take a part in, whose changes are its own affair. */
  protected hold<T extends IPart>(part: T): T {
    this._parts.push(part);
    part.setActive(this._active);
    return part;
  }

  /** Take a part in, whose changes are changes of the model. */
  protected follow<T extends IPart>(part: T): T {
    part.changed.connect(this.emit, this);
    return this.hold(part);
  }

  protected emit(): void {
    this._changed.emit();
  }

  private _active = false;
  private _changed = new Signal<this, void>(this);
  private _isDisposed = false;
  private readonly _parts: IPart[] = [];
}
