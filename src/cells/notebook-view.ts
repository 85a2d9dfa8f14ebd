import type { NotebookPanel } from '@jupyterlab/notebook';
import { NotebookActions } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { localPath } from '../workspace/paths';

export type CellWidget = NotebookPanel['content']['widgets'][number];

/** A code cell as it is on the screen. */
export interface ICell {
  readonly id: string;
  readonly source: string;
}

/** What the models see of an open notebook. */
export interface INotebookView {
  /** Path in Lab. */
  readonly path: string;
  /** Id of its kernel; empty: it has none. */
  readonly kernel: string;
  /** Whether a person can see it. */
  readonly isVisible: boolean;
  /** Its code cells, in order. */
  cells(): ICell[];
  /** Something was typed, moved, inserted, or output came. */
  readonly edited: ISignal<INotebookView, void>;
  /** A cell ran to its end. */
  readonly ran: ISignal<INotebookView, void>;
  /** Another kernel is there, or the same one begins anew. */
  readonly restarted: ISignal<INotebookView, void>;
  /** Run one cell as Lab does; false: it failed, or did not run. */
  run(cell: string): Promise<boolean>;
  interrupt(): Promise<void>;
  /** Scroll to a cell and make it the active one; false: there is no such cell. */
  reveal(cell: string): Promise<boolean>;
}

/** {@link INotebookView} over a notebook in Lab. */
export class NotebookView implements INotebookView, IDisposable {
  constructor(readonly panel: NotebookPanel) {
    const { content, sessionContext } = panel;
    content.modelContentChanged.connect(this.onEdited, this);
    NotebookActions.executed.connect(this.onRan, this);
    sessionContext.kernelChanged.connect(this.onRestarted, this);
    sessionContext.statusChanged.connect(this.onStatus, this);
  }

  get path(): string {
    return localPath(this.panel.context.path);
  }

  get kernel(): string {
    return this.panel.sessionContext.session?.kernel?.id ?? '';
  }

  get isVisible(): boolean {
    return this.panel.isVisible;
  }

  get edited(): ISignal<this, void> {
    return this._edited;
  }

  get ran(): ISignal<this, void> {
    return this._ran;
  }

  get restarted(): ISignal<this, void> {
    return this._restarted;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    NotebookActions.executed.disconnect(this.onRan, this);
    Signal.clearData(this);
  }

  cells(): ICell[] {
    return this.widgets().map(({ model }) => ({
      id: model.id,
      source: model.sharedModel.getSource()
    }));
  }

  /** The widgets of the code cells, in order. */
  widgets(): CellWidget[] {
    return this.panel.content.widgets.filter(
      ({ model }) => model.type === 'code'
    );
  }

  async run(cell: string): Promise<boolean> {
    const widget = this.widgets().find(({ model }) => model.id === cell);
    const { content, sessionContext } = this.panel;
    if (!widget) {
      return false;
    }
    return NotebookActions.runCells(content, [widget], sessionContext);
  }

  async interrupt(): Promise<void> {
    await this.panel.sessionContext.session?.kernel?.interrupt();
  }

  async reveal(cell: string): Promise<boolean> {
    const { content } = this.panel;
    const index = content.widgets.findIndex(({ model }) => model.id === cell);
    if (index < 0) {
      return false;
    }
    content.deselectAll();
    content.activeCellIndex = index;
    await content.scrollToItem(index, 'smart');
    return true;
  }

  private onEdited(): void {
    this._edited.emit();
  }

  private onRan(_: unknown, args: { notebook: unknown }): void {
    if (args.notebook === this.panel.content) {
      this._ran.emit();
    }
  }

  private onRestarted(): void {
    this._restarted.emit();
  }

  private onStatus(_: unknown, status: string): void {
    if (['restarting', 'autorestarting', 'dead'].includes(status)) {
      this._restarted.emit();
    }
  }

  private _disposed = false;
  private _edited = new Signal<this, void>(this);
  private _ran = new Signal<this, void>(this);
  private _restarted = new Signal<this, void>(this);
}
