import type { Notebook } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import type { IServices } from '../components';
import type { ImpactModel } from './impact-model';
import { nameOf, pageOf } from './pages';

/** Links in one line; the summary counts all. */
const LINKS = 4;
const TYPING_MS = 250;

type CellWidget = Notebook['widgets'][number];

/**
 * A line under a cell's code that says what lives downstream of it: at the
 * active cell, and wherever the code is no longer what an endpoint answers with.
 */
export class ImpactLines implements IDisposable {
  constructor(
    private readonly services: IServices,
    private readonly model: ImpactModel,
    private readonly notebook: Notebook
  ) {
    model.changed.connect(this.draw, this);
    notebook.activeCellChanged.connect(this.draw, this);
    notebook.model?.cells.changed.connect(this.soon, this);
    notebook.modelContentChanged.connect(this.soon, this);
    this.draw();
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
    this.model.changed.disconnect(this.draw, this);
    this.notebook.activeCellChanged.disconnect(this.draw, this);
    this.notebook.modelContentChanged.disconnect(this.soon, this);
    this.notebook.model?.cells.changed.disconnect(this.soon, this);
    this._lines.forEach(line => line.remove());
    this._lines.clear();
  }

  private soon(): void {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.draw(), TYPING_MS);
  }

  private draw(): void {
    if (this._disposed || this.notebook.isDisposed) {
      return;
    }
    const left = new Set(this._lines.keys());
    for (const widget of this.notebook.widgets) {
      const { id } = widget.model;
      if (this.put(widget)) {
        left.delete(id);
      }
    }
    for (const id of left) {
      this._lines.get(id)?.remove();
      this._lines.delete(id);
    }
  }

  /** Draw the line of a cell; false: it has none now. */
  private put(widget: CellWidget): boolean {
    const { id, sharedModel } = widget.model;
    const impact = this.model.of(id, sharedModel.getSource());
    const shown =
      impact &&
      (widget === this.notebook.activeCell || impact.code === 'answering');
    if (!impact || !shown) {
      return false;
    }
    const { trans } = this.services;
    const said = JSON.stringify(impact);
    let line = this._lines.get(id);
    if (line?.dataset.said !== said) {
      const made = document.createElement('div');
      made.className = 'jp-mlops-Feeds';
      made.setAttribute('role', 'note');
      made.dataset.said = said;
      made.dataset.code = impact.code;
      made.append(text('jp-mlops-Feeds-summary', impact.summary));
      for (const item of impact.items.slice(0, LINKS)) {
        const page = pageOf(item);
        if (page) {
          made.append(
            link(nameOf(item, trans), () => {
              void this.services.commands.execute(page[0], {
                ...page[1],
                workspace: this.model.workspace.root
              });
            })
          );
        }
      }
      if (impact.code !== 'same') {
        const warning = text(
          'jp-mlops-Feeds-warning',
          impact.code === 'answering'
            ? trans.__('The endpoint answers with older code of this cell.')
            : trans.__('It was made by older code of this cell.')
        );
        warning.title = trans.__(
          'The cell was edited since. Run it, and what comes after it, to bring the new code there.'
        );
        made.append(warning);
      }
      line?.remove();
      line = made;
      this._lines.set(id, made);
    }
    const before = widget.node.querySelector(':scope > .jp-Cell-outputWrapper');
    if (line.nextSibling !== before || line.parentElement !== widget.node) {
      widget.node.insertBefore(line, before);
    }
    return true;
  }

  private _disposed = false;
  private _lines = new Map<string, HTMLElement>();
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

function text(className: string, content: string): HTMLElement {
  const made = document.createElement('span');
  made.className = className;
  made.textContent = content;
  return made;
}

function link(label: string, onClick: () => void): HTMLElement {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'jp-mlops-Link';
  made.textContent = label;
  // A click is for the link, not for the cell under it.
  made.addEventListener('mousedown', event => event.stopPropagation());
  made.addEventListener('click', event => {
    event.stopPropagation();
    onClick();
  });
  return made;
}
