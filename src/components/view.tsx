import type { IDisposable } from '@lumino/disposable';
import type { IView } from './lazy';
import type { IServices } from './services';
import { ServicesProvider } from './services';

interface IModel extends IDisposable {
  /** Left out: what it holds is not kept fresh. */
  setActive?(active: boolean): void;
}

/** The view of a model, which is told when it is seen and goes with the view. */
export function viewOf(
  services: IServices,
  model: IModel,
  element: React.ReactNode,
  /** Called whenever it comes into sight, before the model is told. */
  onSeen?: () => void
): IView {
  return {
    element: <ServicesProvider value={services}>{element}</ServicesProvider>,
    setActive: active => {
      if (active) {
        onSeen?.();
      }
      model.setActive?.(active);
    },
    dispose: () => model.dispose(),
    get isDisposed() {
      return model.isDisposed;
    }
  };
}
