import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import type { IServices } from '../components';
import { ServicesProvider } from '../components';
import { OriginCard } from './origin-card';
import type { Origins } from './origins';

interface IOptions {
  readonly services: IServices;
  readonly origins: Origins;
  /** Empty: nothing was recorded. */
  readonly execution: string;
  /** Where the focus goes when it closes. */
  readonly back: HTMLElement;
}

/** What made an output, beside it; until Escape, or until the focus goes elsewhere. */
export class OriginPopup extends ReactWidget {
  constructor(private readonly options: IOptions) {
    super();
    const { trans } = options.services;
    this.addClass('jp-mlops-View');
    this.addClass('jp-mlops-Origin');
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute('aria-label', trans.__('What made this output'));
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
    this._outside = event => {
      if (!this.node.contains(event.target as Node)) {
        this.dispose();
      }
    };
  }

  /** Show it beside an element. */
  open(beside: HTMLElement): void {
    this._beside = beside;
    Widget.attach(this, document.body);
    this.node.focus({ preventScroll: true });
    document.addEventListener('mousedown', this._outside, true);
    // What is asked for comes later, and makes it higher.
    this._size = new ResizeObserver(() => this.place());
    this._size.observe(this.node);
    this.place();
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._size?.disconnect();
    document.removeEventListener('mousedown', this._outside, true);
    const inside = this.node.contains(document.activeElement);
    super.dispose();
    if (inside) {
      this.options.back.focus({ preventScroll: true });
    }
  }

  protected override onBeforeDetach(msg: Message): void {
    this._size?.disconnect();
    super.onBeforeDetach(msg);
  }

  protected override render(): JSX.Element {
    const { services, origins, execution } = this.options;
    return (
      <ServicesProvider value={services}>
        <p className="jp-mlops-Origin-title">
          {services.trans.__('What made this output')}
        </p>
        <OriginCard
          origins={origins}
          execution={execution}
          onLeave={() => this.dispose()}
        />
      </ServicesProvider>
    );
  }

  private place(): void {
    const beside = this._beside?.getBoundingClientRect();
    if (!beside || this.isDisposed) {
      return;
    }
    const { style, offsetWidth, offsetHeight } = this.node;
    const below = beside.bottom + 4 + offsetHeight <= window.innerHeight;
    const left = Math.min(
      beside.right - offsetWidth,
      window.innerWidth - offsetWidth - 8
    );
    style.left = `${Math.max(8, left)}px`;
    style.top = `${below ? beside.bottom + 4 : Math.max(8, beside.top - 4 - offsetHeight)}px`;
  }

  private _beside: HTMLElement | undefined;
  private _outside: (event: MouseEvent) => void;
  private _size: ResizeObserver | undefined;
}
