import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import type { MlopsError } from '../api';
import { asMlopsError } from '../api';
import { ErrorView } from './error';

/** What a widget shows, made when it is first seen. */
export interface IView extends IDisposable {
  readonly element: JSX.Element;
  /** Told whether the view can be seen: nothing is asked for while it can't. */
  setActive(active: boolean): void;
}

/**
 * A widget whose body is loaded when it becomes visible for the first time, and
 * which tells the body when it is seen and when it is not.
 */
export class LazyWidget extends ReactWidget {
  constructor(
    private readonly load: () => Promise<IView>,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-mlops-View');
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._view?.dispose();
    super.dispose();
  }

  override render(): JSX.Element {
    if (this._view) {
      return this._view.element;
    }
    if (this._error) {
      return (
        <ErrorView
          error={this._error}
          trans={this.trans}
          onRetry={() => this.begin()}
        />
      );
    }
    return (
      <p className="jp-mlops-Muted" role="status">
        {this.trans.__('Loading…')}
      </p>
    );
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this.seen();
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.seen();
  }

  protected override onBeforeHide(msg: Message): void {
    super.onBeforeHide(msg);
    this._view?.setActive(false);
  }

  protected override onBeforeDetach(msg: Message): void {
    this._view?.setActive(false);
    super.onBeforeDetach(msg);
  }

  private seen(): void {
    if (!this.isVisible) {
      return;
    }
    if (this._view) {
      this._view.setActive(true);
    } else if (!this._loading) {
      this.begin();
    }
  }

  private begin(): void {
    this._loading = true;
    this._error = undefined;
    this.load().then(
      view => {
        this._loading = false;
        if (this.isDisposed) {
          view.dispose();
          return;
        }
        this._view = view;
        view.setActive(this.isVisible);
        this.update();
      },
      (error: unknown) => {
        this._loading = false;
        if (!this.isDisposed) {
          this._error = asMlopsError(error);
          this.update();
        }
      }
    );
  }

  private _error: MlopsError | undefined;
  private _loading = false;
  private _view: IView | undefined;
}
