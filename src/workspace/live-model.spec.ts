import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';
import { LiveModel } from './live-model';

class Part {
  readonly changed = new Signal<this, void>(this);
  readonly setActive = vi.fn<(active: boolean) => void>();
  readonly dispose = vi.fn<() => void>();
  readonly isDisposed = false;
}

class Model extends LiveModel {
  readonly followed = this.follow(new Part());
  readonly held = this.hold(new Part());

  more(): Part {
    return this.hold(new Part());
  }
}

describe('LiveModel', () => {
  it('tells its parts that somebody looks, also those that come later', () => {
    const model = new Model();
    model.setActive(true);
    expect(model.followed.setActive).toHaveBeenLastCalledWith(true);
    expect(model.held.setActive).toHaveBeenLastCalledWith(true);
    expect(model.more().setActive).toHaveBeenCalledWith(true);
  });

  it('announces the changes of the parts that it follows, and of no other', () => {
    const model = new Model();
    const heard = vi.fn();
    model.changed.connect(heard);
    model.held.changed.emit();
    expect(heard).not.toHaveBeenCalled();
    model.followed.changed.emit();
    expect(heard).toHaveBeenCalledOnce();
  });

  it('goes with all its parts, once', () => {
    const model = new Model();
    model.dispose();
    model.dispose();
    expect(model.isDisposed).toBe(true);
    expect(model.followed.dispose).toHaveBeenCalledOnce();
    expect(model.held.dispose).toHaveBeenCalledOnce();
  });
});
