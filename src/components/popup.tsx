import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import type { IServices } from './services';
import { ServicesProvider } from './services';

/** Pixels between it and what it is beside, and between it and the window's edge. */
const GAP = 4;
const EDGE = 8;

export interface IPopupOptions {
  readonly services: IServices;
  /** What it is called to those who can't see it. */
  readonly label: string;
  readonly className: string;
  /** The edge of the element beside it that it is in line with. */
  readonly align: 'left' | 'right';
  /** What it shows; `close` takes it away. */
  body(close: () => void): JSX.Element;
}

/** Something said beside an element, until Escape, or until the person goes elsewhere. */
export class Popup extends ReactWidget {
  constructor(private readonly options: IPopupOptions) {
    super();
    this.addClass('jp-mlops-View');
    this.addClass('jp-mlops-Popup');
    this.addClass(options.className);
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute('aria-label', options.label);
    this.node.tabIndex = -1;
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        this.dispose();
      }
    });
    this.node.addEventListener('focusout', event => {
      const to = event.relatedTarget as Node | null;
      if (to && !this.node.contains(to)) {
        this.dispose();
      }
    });
  }

  /** Show it beside an element; the focus goes to `back` when it closes. */
  open(beside: HTMLElement, back: HTMLElement): void {
    this._beside = beside;
    this._back = back;
    Widget.attach(this, document.body);
    this.node.focus({ preventScroll: true });
    document.addEventListener('mousedown', this._outside, true);
    // What is asked for comes later, and makes it higher.
    this._size.observe(this.node);
    this.place();
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._size.disconnect();
    document.removeEventListener('mousedown', this._outside, true);
    const inside = this.node.contains(document.activeElement);
    super.dispose();
    if (inside) {
      this._back?.focus({ preventScroll: true });
    }
  }

  protected override render(): JSX.Element {
    const { services, body } = this.options;
    return (
      <ServicesProvider value={services}>
        {body(() => this.dispose())}
      </ServicesProvider>
    );
  }

  private place(): void {
    const beside = this._beside?.getBoundingClientRect();
    if (!beside || this.isDisposed) {
      return;
    }
    const { style, offsetWidth, offsetHeight } = this.node;
    const below = beside.bottom + GAP + offsetHeight <= window.innerHeight;
    const left =
      this.options.align === 'left' ? beside.left : beside.right - offsetWidth;
    const most = window.innerWidth - offsetWidth - EDGE;
    style.left = `${Math.max(EDGE, Math.min(left, most))}px`;
    style.top = `${below ? beside.bottom + GAP : Math.max(EDGE, beside.top - GAP - offsetHeight)}px`;
  }

  private _back: HTMLElement | undefined;
  private _beside: HTMLElement | undefined;
  private _outside = (event: MouseEvent): void => {
    if (!this.node.contains(event.target as Node)) {
      this.dispose();
    }
  };
  private _size = new ResizeObserver(() => this.place());
}
