import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import type { IServices } from '../components';
import { Button, ServicesProvider, useTrans } from '../components';
import type { IMark } from './mark';

/** Lines that are shown of one cell. */
const LINES = 8;

export interface IPopupOptions {
  readonly services: IServices;
  readonly mark: IMark;
  /** How many cells are to run so that none is stale. */
  readonly stale: number;
  onRunNeeded(): void;
  onRunStale(): void;
}

/** Why a cell is marked, and what to do about it; beside its mark until it loses the focus. */
export class Popup extends ReactWidget {
  constructor(private readonly options: IPopupOptions) {
    super();
    const { mark } = options;
    this.addClass('jp-mlops-View');
    this.addClass('jp-mlops-Popup');
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute('aria-label', mark.title);
    this.node.tabIndex = -1;
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        this.dispose();
      }
    });
    this.node.addEventListener('focusout', event => {
      if (!this.node.contains(event.relatedTarget as Node | null)) {
        this.dispose();
      }
    });
  }

  /** Show it beside an element; the focus goes back there when it closes. */
  open(beside: HTMLElement, back: HTMLElement): void {
    this._back = back;
    Widget.attach(this, document.body);
    void this.renderPromise?.then(() => {
      if (!this.isDisposed) {
        this.place(beside.getBoundingClientRect());
        this.node.focus();
      }
    });
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    const inside = this.node.contains(document.activeElement);
    super.dispose();
    if (inside) {
      this._back?.focus();
    }
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this.node.style.visibility = 'hidden';
  }

  protected override render(): JSX.Element {
    const { services, mark, stale, onRunNeeded, onRunStale } = this.options;
    const close = (action: () => void) => () => {
      this.dispose();
      action();
    };
    return (
      <ServicesProvider value={services}>
        <Body
          mark={mark}
          stale={stale}
          onRunNeeded={close(onRunNeeded)}
          onRunStale={close(onRunStale)}
        />
      </ServicesProvider>
    );
  }

  private place(beside: DOMRect): void {
    const { style, offsetWidth, offsetHeight } = this.node;
    const below = beside.bottom + 4 + offsetHeight <= window.innerHeight;
    const left = Math.min(beside.left, window.innerWidth - offsetWidth - 8);
    style.left = `${Math.max(8, left)}px`;
    style.top = `${below ? beside.bottom + 4 : Math.max(8, beside.top - 4 - offsetHeight)}px`;
    style.visibility = '';
  }

  private _back: HTMLElement | undefined;
}

function Body(
  props: Pick<IPopupOptions, 'mark' | 'stale' | 'onRunNeeded' | 'onRunStale'>
): JSX.Element {
  const trans = useTrans();
  const { mark, stale, onRunNeeded, onRunStale } = props;
  const more = mark.lines.length - LINES;
  return (
    <>
      <p className="jp-mlops-Popup-title" data-kind={mark.kind}>
        {mark.title}
      </p>
      <ul>
        {mark.lines.slice(0, LINES).map(line => (
          <li key={line}>{line}</li>
        ))}
        {more > 0 && <li>{trans._n('and %1 more', 'and %1 more', more)}</li>}
      </ul>
      {mark.kind === 'hidden' && (
        <p className="jp-mlops-Muted">
          {trans.__(
            'It works in this kernel, and will not after a restart: let a cell above it make what it reads.'
          )}
        </p>
      )}
      <div className="jp-mlops-Actions">
        <Button onClick={onRunNeeded}>
          {trans.__('Run This Cell and What It Needs')}
        </Button>
        {stale > 0 && (
          <Button onClick={onRunStale}>
            {trans._n(
              'Run What Is Stale (%1 cell)',
              'Run What Is Stale (%1 cells)',
              stale
            )}
          </Button>
        )}
      </div>
    </>
  );
}
