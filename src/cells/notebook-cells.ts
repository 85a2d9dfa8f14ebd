import { InputDialog, Notification } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import type { IServices } from '../components';
import { attempt } from '../components/notify';
import type { Popup } from '../components/popup';
import { Bar } from './bar';
import { Gutter } from './gutter';
import { NotebookView } from './notebook-view';
import type { RunEnd } from './runner';
import { Runner } from './runner';
import { SliceModel } from './slice-model';
import { StandingsModel } from './standings-model';
import type { CellStandings } from './types';
import { whyPopup } from './why';

const IN_SLICE = 'jp-mlops-mod-inSlice';
const OFF_SLICE = 'jp-mlops-mod-offSlice';
const SLICED = 'jp-mlops-mod-sliced';
/** What a person may have marked in an editor to ask for its slice. */
const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;

/** Stale marks, runs of what is stale, and the slice of one open notebook. */
export class NotebookCells implements IDisposable {
  constructor(
    private readonly services: IServices,
    private readonly panel: NotebookPanel
  ) {
    this.view = new NotebookView(panel);
    this.model = new StandingsModel(services, this.view);
    this.runner = new Runner(this.view, this.model);
    this.slice = new SliceModel(this.model);
    this.gutter = new Gutter(
      this.model,
      () => this.view.widgets(),
      services.settings,
      services.trans,
      cell => this.explain(cell)
    );
    this.bar = new Bar({
      services,
      runner: this.runner,
      slice: this.slice,
      onCancel: () => void this.try(() => this.runner.cancel()),
      onCopy: () => void this.copySlice(),
      onTest: () => void this.try(() => this.slice.test()),
      onClose: () => this.clearSlice()
    });
    panel.contentHeader.addWidget(this.bar);
    this.slice.changed.connect(this.highlight, this);
    this.model.changed.connect(this.highlight, this);
    panel.disposed.connect(() => this.dispose());
  }

  readonly view: NotebookView;
  readonly model: StandingsModel;

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    this._popup?.dispose();
    for (const part of [
      this.gutter,
      this.bar,
      this.slice,
      this.runner,
      this.model,
      this.view
    ]) {
      part.dispose();
    }
  }

  // -- running ---------------------------------------------------------------

  /** Run what is stale, in the right order. */
  async runStale(): Promise<void> {
    const { trans } = this.services;
    await this.try(async () => {
      const standings = await this.standings();
      if (standings?.order.length === 0) {
        Notification.info(
          trans.__('Nothing is stale: all cells that ran are up to date.'),
          { autoClose: 4000 }
        );
      } else if (standings) {
        await this.run(standings.order);
      }
    });
  }

  /** Run a cell, and before it what it needs and the kernel no longer has. */
  async runNeeded(cell = this.activeCell): Promise<void> {
    await this.try(async () => {
      if (!this.view.cells().some(({ id }) => id === cell)) {
        Notification.info(
          this.services.trans.__('This is no cell of code: nothing runs.'),
          { autoClose: 4000 }
        );
        return;
      }
      const standings = await this.standings([cell]);
      if (standings?.order.includes(cell)) {
        await this.run(standings.order, cell);
      }
    });
  }

  private async run(order: readonly string[], target = ''): Promise<void> {
    const { trans } = this.services;
    if (this.runner.state) {
      Notification.warning(trans.__('Cells are being run already.'), {
        autoClose: 4000
      });
      return;
    }
    const end = await this.runner.run(order, target);
    if (!this._disposed) {
      this.tellEnd(end);
    }
  }

  private tellEnd(end: RunEnd): void {
    const { trans } = this.services;
    const { ran, stoppedAt } = this.runner;
    const cells = trans._n('%1 cell ran.', '%1 cells ran.', ran);
    if (end === 'done') {
      Notification.success(cells, { autoClose: 4000 });
      return;
    }
    const why = {
      failed: trans.__('Stopped at a cell that failed; the rest did not run.'),
      cancelled: trans.__('Cancelled; the rest did not run.'),
      unsettled: trans.__(
        'Stopped at a cell that is stale again each time others have run.'
      )
    }[end];
    Notification.emit(
      `${why} ${cells}`,
      end === 'cancelled' ? 'info' : 'warning',
      {
        autoClose: 8000,
        actions: stoppedAt
          ? [
              {
                label: trans.__('Show'),
                callback: () => void this.view.reveal(stoppedAt)
              }
            ]
          : []
      }
    );
  }

  /** How the cells stand; null, and said why, where that is not known. */
  private async standings(
    only: readonly string[] = []
  ): Promise<CellStandings | null> {
    const { trans } = this.services;
    void this.model.required;
    const standings = await this.model.ask(only);
    if (standings?.recorded) {
      return standings;
    }
    const why =
      standings?.why ?? trans.__('This notebook has no kernel that runs.');
    Notification.warning(`${why} ${standings?.next ?? ''}`.trim(), {
      autoClose: 12_000,
      actions: standings?.startable
        ? [
            {
              label: trans.__('Record From Now On'),
              callback: () => void this.record()
            }
          ]
        : []
    });
    return null;
  }

  private async record(): Promise<void> {
    await this.try(async () => {
      const kernel = this.panel.sessionContext.session?.kernel;
      await kernel?.requestExecute({
        code: '%load_ext jupyter_mlops',
        store_history: false
      }).done;
      await this.model.ask();
    });
  }

  // -- marks -----------------------------------------------------------------

  /** Say why a cell is marked. */
  explain(cell = this.activeCell): void {
    const { services, gutter, model } = this;
    const beside = gutter.find(cell);
    const mark = gutter.mark(cell);
    if (!beside || !mark) {
      Notification.info(
        services.trans.__('This cell has no mark: %1', gutter.whyNone(cell)),
        { autoClose: 8000 }
      );
      return;
    }
    this._popup?.dispose();
    this._popup = whyPopup({
      services,
      mark,
      stale: model.standings?.order.length ?? 0,
      onRunNeeded: () => void this.runNeeded(cell),
      onRunStale: () => void this.runStale()
    });
    this._popup.open(beside, this.panel.content.node);
  }

  /** Go to the next cell, round and round, that is not up to date. */
  async nextMarked(): Promise<void> {
    const marked = new Set(
      (this.model.standings?.cells ?? [])
        .filter(cell => !['fresh', 'never'].includes(this.kind(cell.cell_id)))
        .map(cell => cell.cell_id)
    );
    const ids = this.view.cells().map(({ id }) => id);
    const from = ids.indexOf(this.activeCell) + 1;
    const next = [...ids.slice(from), ...ids.slice(0, from)].find(id =>
      marked.has(id)
    );
    if (next) {
      await this.view.reveal(next);
    } else {
      Notification.info(
        this.services.trans.__('No cell is stale, edited or failed.'),
        { autoClose: 4000 }
      );
    }
  }

  /** Warn before a restart of cells that will not find what they read. */
  warnOfHidden(): void {
    const { trans } = this.services;
    const [first, ...others] = this.model.hidden;
    if (!first) {
      return;
    }
    const place =
      this.view.cells().findIndex(({ id }) => id === first.cell_id) + 1;
    const more = others.length
      ? ` ${trans._n('So does %1 other cell.', 'So do %1 other cells.', others.length)}`
      : '';
    Notification.warning(
      trans.__(
        'Cell %1 relies on what a restart takes away: %2.',
        place,
        first.hidden[0]
      ) + more,
      {
        autoClose: 15_000,
        actions: [
          {
            label: trans.__('Show'),
            callback: () => void this.view.reveal(first.cell_id)
          }
        ]
      }
    );
  }

  private kind(cell: string): string {
    return this.gutter.mark(cell)?.kind ?? 'fresh';
  }

  // -- the slice -------------------------------------------------------------

  /** Highlight what made something: what is named, what is marked in the editor, or what the person types. */
  async showSlice(name = ''): Promise<void> {
    await this.try(async () => {
      void this.model.required;
      const wanted = name || this.selected || (await this.askName());
      if (wanted && (await this.slice.show(wanted))) {
        await this.slice.go(1);
      }
    });
  }

  clearSlice(): void {
    this.slice.clear();
    this.panel.content.activate();
  }

  private async askName(): Promise<string> {
    const { trans } = this.services;
    const answer = await InputDialog.getItem({
      title: trans.__('Show what made…'),
      label: trans.__(
        'A variable, a file that a cell wrote, the id of a run or of an execution, models:/NAME/VERSION, endpoint:NAME, metric:RUN/NAME'
      ),
      items: [...(this.model.standings?.names ?? [])],
      current: -1,
      editable: true,
      okLabel: trans.__('Show Slice')
    });
    return answer.button.accept ? (answer.value ?? '').trim() : '';
  }

  private async copySlice(): Promise<void> {
    const { commands } = this.services;
    await this.try(async () => {
      const path = await this.slice.copy();
      await commands.execute('docmanager:open', {
        path: this.model.required.toLab(path) ?? path
      });
    });
  }

  private highlight(): void {
    const { slice, cells, place } = this.slice;
    const inside = new Set(cells);
    this.panel.node.classList.toggle(SLICED, slice !== null);
    for (const { model, node } of this.panel.content.widgets) {
      const isIn = slice !== null && inside.has(model.id);
      node.classList.toggle(IN_SLICE, isIn);
      node.classList.toggle(OFF_SLICE, slice !== null && !isIn);
      node.classList.toggle(
        'jp-mlops-mod-sliceCurrent',
        isIn && cells[place] === model.id
      );
    }
  }

  /** A name that is marked in the active cell's editor; empty: none is. */
  private get selected(): string {
    const editor = this.panel.content.activeCell?.editor;
    if (!editor) {
      return '';
    }
    const { start, end } = editor.getSelection();
    const [from, to] = [editor.getOffsetAt(start), editor.getOffsetAt(end)];
    const text = editor.model.sharedModel
      .getSource()
      .slice(Math.min(from, to), Math.max(from, to))
      .trim();
    return NAME.test(text) ? text : '';
  }

  private get activeCell(): string {
    return this.panel.content.activeCell?.model.id ?? '';
  }

  private async try(action: () => Promise<unknown>): Promise<void> {
    await attempt(this.services.trans, action);
  }

  private readonly bar: Bar;
  private readonly gutter: Gutter;
  private readonly runner: Runner;
  private readonly slice: SliceModel;
  private _disposed = false;
  private _popup: Popup | undefined;
}
