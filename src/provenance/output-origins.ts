import type { Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { IServices } from '../components';
import { formatAgo } from '../components/format';
import type { Popup } from '../components/popup';
import { originPopup } from './origin-popup';
import type { IOutput, Origins } from './origins';
import { executionOf, isResult } from './origins';
import type { ExecutionOrigin } from './types';

/** A pointer that rests this long on an output asks what made it, ms. */
const RESTS_MS = 350;

/** Says of the output under the pointer what made it; more on a click, or by command. */
export class OutputOrigins implements IDisposable {
  constructor(
    private readonly services: IServices,
    private readonly origins: Origins,
    private readonly notebook: Notebook
  ) {
    notebook.node.addEventListener('mouseover', this._onOver);
    notebook.node.addEventListener('mouseleave', this._onLeave);
    this._chip.type = 'button';
    this._chip.className = 'jp-mlops-OriginChip';
    // By keyboard there is the command; a stop at every output would be in the way.
    this._chip.tabIndex = -1;
    this._chip.setAttribute('aria-haspopup', 'dialog');
    this._chip.addEventListener('mousedown', event => event.stopPropagation());
    this._chip.addEventListener('click', event => {
      event.stopPropagation();
      if (this._at) {
        this.open(this._execution, this._chip, this.notebook.node);
      }
    });
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    clearTimeout(this._timer);
    this.notebook.node.removeEventListener('mouseover', this._onOver);
    this.notebook.node.removeEventListener('mouseleave', this._onLeave);
    this._chip.remove();
    this._popup?.dispose();
  }

  /** Show what made the last output of the active cell; false: it has none. */
  show(): boolean {
    const cell = this.notebook.activeCell;
    const found = cell && resultsOf(cell).pop();
    if (!found) {
      return false;
    }
    this.open(executionOf(found.model), found.node, this.notebook.node);
    return true;
  }

  private open(
    execution: string,
    beside: HTMLElement,
    back: HTMLElement
  ): void {
    this._popup?.dispose();
    this.origins.forget();
    this._popup = originPopup(this.services, this.origins, execution);
    this._popup.open(beside, back);
  }

  private _onOver = (event: MouseEvent): void => {
    const target = event.target as HTMLElement;
    if (this._chip.contains(target)) {
      return;
    }
    const node = target.closest<HTMLElement>('.jp-OutputArea-child');
    if (node === this._at) {
      return;
    }
    this.leave();
    const found = node && this.find(node);
    if (found) {
      this._at = node;
      this._timer = setTimeout(() => void this.say(node, found), RESTS_MS);
    }
  };

  private _onLeave = (): void => this.leave();

  private leave(): void {
    clearTimeout(this._timer);
    this._at = undefined;
    this._chip.remove();
  }

  private find(node: HTMLElement): IOutput | undefined {
    const widget = this.notebook.widgets.find(each => each.node.contains(node));
    return widget && resultsOf(widget).find(each => each.node === node)?.model;
  }

  private async say(node: HTMLElement, output: IOutput): Promise<void> {
    const { trans } = this.services;
    const execution = executionOf(output);
    this._execution = execution;
    let said = trans.__('Not recorded');
    if (execution) {
      try {
        said = inWords(await this.origins.get(execution), trans);
      } catch {
        // The card says why, and what to do.
        said = trans.__('What made this?');
      }
    }
    if (this._at === node && !this._disposed) {
      this._chip.textContent = said;
      this._chip.title = trans.__('Show what made this output');
      node.append(this._chip);
    }
  }

  private _at: HTMLElement | undefined;
  private _chip = document.createElement('button');
  private _disposed = false;
  private _execution = '';
  private _popup: Popup | undefined;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

/** What made an output, in one line. */
export function inWords(
  origin: ExecutionOrigin,
  trans: TranslationBundle,
  now = Date.now() / 1000
): string {
  const { execution, upstream, more, sources } = origin;
  const outside = sources.filter(source => !source.written);
  return [
    trans.__('In [%1]', execution.count),
    formatAgo(execution.started_at, now),
    upstream.length > 0 &&
      trans._n('from %1 cell', 'from %1 cells', upstream.length + more),
    outside.length === 1 && (outside[0]?.name.split('/').pop() ?? ''),
    outside.length > 1 && trans._n('%1 source', '%1 sources', outside.length)
  ]
    .filter(Boolean)
    .join(' · ');
}

/** The outputs of a cell, if it is one of code. */
interface IOutputArea {
  readonly model: { readonly length: number; get(index: number): IOutput };
  readonly widgets: readonly { readonly node: HTMLElement }[];
}

function resultsOf(
  cell: Notebook['widgets'][number]
): { model: IOutput; node: HTMLElement }[] {
  const { outputArea } = cell as { outputArea?: IOutputArea };
  if (!outputArea) {
    return [];
  }
  const found = [];
  for (let index = 0; index < outputArea.model.length; index++) {
    const model = outputArea.model.get(index);
    const node = outputArea.widgets[index]?.node;
    if (node && isResult(model)) {
      found.push({ model, node });
    }
  }
  return found;
}
