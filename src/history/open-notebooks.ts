import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { localPath } from '../workspace/paths';

export type NotebookContext = NotebookPanel['context'];

/** The notebooks that are open in Lab, and which one is in front. */
export interface IOpenNotebooks {
  /** Emitted when another notebook is in front, or the one in front was renamed. */
  readonly changed: ISignal<IOpenNotebooks, void>;
  /** Path in Lab of the notebook in front; empty: none is open. */
  readonly current: string;
  /** The document of an open notebook. */
  find(path: string): NotebookContext | undefined;
  /** Scroll an open notebook to a cell and select it; false: the notebook has no such cell, or is not open. */
  reveal(path: string, cell: string): Promise<boolean>;
}

/** {@link IOpenNotebooks} over Lab's tracker. */
export class OpenNotebooks implements IOpenNotebooks {
  constructor(private readonly tracker: INotebookTracker) {
    tracker.currentChanged.connect(this.onCurrent, this);
    this.onCurrent();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get current(): string {
    return localPath(this._panel?.context.path ?? '');
  }

  find(path: string): NotebookContext | undefined {
    return this.tracker.find(panel => localPath(panel.context.path) === path)
      ?.context;
  }

  async reveal(path: string, cell: string): Promise<boolean> {
    const shows = (panel: NotebookPanel | null): panel is NotebookPanel =>
      panel !== null && localPath(panel.context.path) === path;
    const panel = shows(this._panel) ? this._panel : this.tracker.find(shows);
    const notebook = panel?.content;
    const index =
      notebook?.widgets.findIndex(widget => widget.model.id === cell) ?? -1;
    if (!notebook || !cell || index < 0) {
      return false;
    }
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    await notebook.scrollToItem(index, 'smart');
    return true;
  }

  private onCurrent(): void {
    const panel = this.tracker.currentWidget;
    if (this._panel && !this._panel.isDisposed) {
      this._panel.context.pathChanged.disconnect(this.onPath, this);
    }
    this._panel = panel;
    panel?.context.pathChanged.connect(this.onPath, this);
    this._changed.emit();
  }

  private onPath(): void {
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
  private _panel: NotebookPanel | null = null;
}
