import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { IMlopsSettings } from '../settings/tokens';
import type { IMark } from './mark';
import { markOf, SHAPES } from './mark';
import type { CellWidget } from './notebook-view';
import type { StandingsModel } from './standings-model';

const MARKED = 'jp-mlops-Marked';

/** Draws the marks beside the prompts of a notebook's cells. */
export class Gutter implements IDisposable {
  constructor(
    private readonly model: StandingsModel,
    private readonly widgets: () => CellWidget[],
    private readonly settings: IMlopsSettings,
    private readonly trans: TranslationBundle,
    private readonly onOpen: (cell: string) => void
  ) {
    model.changed.connect(this.draw, this);
    settings.changed.connect(this.draw, this);
    this.draw();
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    this.model.changed.disconnect(this.draw, this);
    this.settings.changed.disconnect(this.draw, this);
    this._marks.forEach(mark => mark.remove());
    this._marks.clear();
  }

  /** The mark beside a cell; undefined: it has none. */
  find(cell: string): HTMLElement | undefined {
    return this._marks.get(cell);
  }

  /** What is said of a cell; undefined: nothing. */
  mark(cell: string): IMark | undefined {
    const standing = this.model.standings?.cells.find(
      ({ cell_id }) => cell_id === cell
    );
    return standing && markOf(standing, this.trans);
  }

  /** Why a cell has no mark, as the end of a sentence. */
  whyNone(cell: string): string {
    const { model, settings, trans } = this;
    const { standings, failure, view } = model;
    if (!settings.showMarks) {
      return trans.__('marks are turned off in the settings.');
    }
    const own = view.cells().find(({ id }) => id === cell);
    if (!own) {
      return trans.__('only cells with code have one.');
    }
    if (!own.source.trim()) {
      return trans.__('it is empty.');
    }
    if (!model.workspace) {
      return trans.__('the notebook is in no workspace.');
    }
    if (!view.kernel) {
      return trans.__('the notebook has no kernel that runs.');
    }
    if (failure) {
      return trans.__(
        'the server could not say how it stands: %1',
        failure.what
      );
    }
    if (standings && !standings.recorded) {
      return standings.why;
    }
    return trans.__('nothing is known of it yet.');
  }

  private draw(): void {
    const { standings } = this.model;
    const shown =
      this.settings.showMarks && standings?.recorded ? standings.cells : [];
    const said = new Map(shown.map(each => [each.cell_id, each]));
    const left = new Set(this._marks.keys());
    for (const widget of this.widgets()) {
      const standing = said.get(widget.model.id);
      // Of an empty cell nothing is to be said.
      if (standing && widget.model.sharedModel.getSource().trim()) {
        left.delete(widget.model.id);
        this.put(widget, markOf(standing, this.trans));
      }
    }
    for (const id of left) {
      const mark = this._marks.get(id);
      mark?.parentElement?.classList.remove(MARKED);
      mark?.remove();
      this._marks.delete(id);
    }
  }

  private put(widget: CellWidget, { kind, title, lines, label }: IMark): void {
    const { id } = widget.model;
    const mark = this._marks.get(id) ?? this.make(id);
    if (mark.parentElement !== widget.node) {
      widget.node.classList.add(MARKED);
      widget.node.append(mark);
    }
    if (mark.dataset.kind !== kind) {
      mark.dataset.kind = kind;
      mark.querySelector('path')?.setAttribute('d', SHAPES[kind]);
    }
    mark.title = [title, ...lines.map(line => `• ${line}`)].join('\n');
    mark.setAttribute('aria-label', label);
  }

  private make(cell: string): HTMLButtonElement {
    const mark = document.createElement('button');
    mark.type = 'button';
    mark.className = 'jp-mlops-Mark';
    // A command opens the one of the active cell; hundreds of stops for the Tab key are in the way.
    mark.tabIndex = -1;
    mark.setAttribute('aria-haspopup', 'dialog');
    mark.innerHTML =
      '<svg viewBox="0 0 16 16" aria-hidden="true"><path fill="currentColor" fill-rule="evenodd"/></svg>';
    // A click is for the mark, not for the cell under it.
    mark.addEventListener('mousedown', event => event.stopPropagation());
    mark.addEventListener('click', event => {
      event.stopPropagation();
      this.onOpen(cell);
    });
    this._marks.set(cell, mark);
    return mark;
  }

  private _disposed = false;
  private _marks = new Map<string, HTMLButtonElement>();
}
