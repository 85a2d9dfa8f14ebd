import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { asMlopsError, isAbort, MlopsError } from '../api';
import type { IServices } from '../components';
import type { IChange } from '../events/tokens';
import type { IWorkspace } from '../workspace/tokens';
import type { INotebookView } from './notebook-view';
import type { CellStanding, CellStandings } from './types';

/** The server is asked when a person has stopped typing for so long, ms. */
const TYPING_MS = 600;
/** After a cell ran, ms: several that end together are one question. */
const RAN_MS = 150;
/** A kernel that begins anew takes a while to be gone, ms. */
const RESTART_MS = 1500;

/** How the cells of one notebook stand to what its kernel ran, kept up to date while it can be seen. */
export class StandingsModel implements IDisposable {
  constructor(
    private readonly services: IServices,
    readonly view: INotebookView
  ) {
    const { workspaces, changes, fileChanged } = services;
    view.edited.connect(this.onEdited, this);
    view.ran.connect(this.onRan, this);
    view.restarted.connect(this.onRestarted, this);
    workspaces.changed.connect(this.onRan, this);
    changes.changed.connect(this.onChange, this);
    changes.missed.connect(this.onRan, this);
    fileChanged.connect(this.onRan, this);
    this.later(0);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The last answer; null: there is none, and {@link failure} may say why. */
  get standings(): CellStandings | null {
    return this._standings;
  }

  /** Why the last question has no answer; null: it has one, or none was asked. */
  get failure(): MlopsError | null {
    return this._failure;
  }

  get recorded(): boolean {
    return this._standings?.recorded ?? false;
  }

  /** Cells of hidden state: they work in this kernel, and in no new one. */
  get hidden(): CellStanding[] {
    return (this._standings?.cells ?? []).filter(cell => cell.hidden.length);
  }

  /** The workspace that the notebook was found in. */
  get workspace(): IWorkspace | null {
    const { current } = this.services.workspaces;
    if (!this._workspace && current && this.pathIn(current) !== null) {
      this._workspace = current;
    }
    return this._workspace;
  }

  /** {@link workspace}; throws an `MlopsError` where there is none. */
  get required(): IWorkspace {
    const { workspace } = this;
    if (!workspace) {
      const { trans } = this.services;
      throw new MlopsError({
        code: 'no-workspace',
        what: trans.__('This notebook is in no workspace.'),
        why: trans.__('What cells do is recorded in workspaces alone.'),
        next: trans.__(
          'Make its folder one with "Make This Folder an MLOps Workspace…".'
        )
      });
    }
    return workspace;
  }

  /** The notebook's path in the workspace; empty: it is in none. */
  get path(): string {
    return (this.workspace && this.pathIn(this.workspace)) ?? '';
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
    this._asking?.abort();
    Signal.clearData(this);
  }

  /** The notebook came into sight. */
  seen(): void {
    if (this._waiting) {
      this.later(0);
    }
  }

  /**
   * Ask now, and wait for the answer. With `only`, the order is for these cells
   * and what they need. Rejects with an `MlopsError`; null: in no workspace, or without a kernel.
   */
  async ask(
    only: readonly string[] = [],
    signal?: AbortSignal
  ): Promise<CellStandings | null> {
    clearTimeout(this._timer);
    this._sure = false;
    const turn = ++this._turn;
    const { workspace, view } = this;
    const { kernel } = view;
    const cells = view.cells();
    const answer =
      workspace && kernel
        ? await workspace.client.post('/cells/live/states', {
            body: { kernel, cells, only: [...only] },
            ...(signal && { signal })
          })
        : null;
    // An order for some cells is for whoever asked; an answer that was overtaken is for nobody.
    if (!this._disposed && !only.length && turn > this._answered) {
      this._answered = turn;
      this._asked = signature(cells);
      this._failure = null;
      this.set(answer);
    }
    return answer;
  }

  private pathIn(workspace: IWorkspace): string | null {
    return workspace.fromLab(this.view.path);
  }

  private onEdited(): void {
    // Whether a kernel is recorded changes with what runs.
    if (this.recorded) {
      this.later(TYPING_MS, false);
    }
  }

  /** What ran in the kernel by another's doing: another browser, a jump to earlier variables. */
  private onChange(_: unknown, change: IChange): void {
    if (
      change.workspace === this.workspace?.root &&
      change.topic === 'cell_execution' &&
      (change.key === '' || change.key === this.path)
    ) {
      this.onRan();
    }
  }

  private onRan(): void {
    this.later(RAN_MS);
  }

  private onRestarted(): void {
    this._answered = this._turn; // what was asked before is of the kernel that is gone
    this.set(null);
    this.later(RESTART_MS);
  }

  /** Ask after a while; not `sure`: only if the sources are others than those asked about. */
  private later(wait: number, sure = true): void {
    if (this._sure && !sure) {
      return; // output that goes on and on must not put off what is due
    }
    this._sure ||= sure;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this._waiting = !this.view.isVisible;
      if (this._waiting || this._disposed) {
        return;
      }
      const due = this._sure || this._asked !== signature(this.view.cells());
      this._sure = false;
      if (due) {
        this._asking?.abort();
        this._asking = new AbortController();
        this.ask([], this._asking.signal).catch((reason: unknown) => {
          // The next execution or edit asks again; marks that may be wrong are worse than none.
          if (!isAbort(reason) && !this._disposed) {
            this._failure = asMlopsError(reason);
            this.set(null);
          }
        });
      }
    }, wait);
  }

  private set(standings: CellStandings | null): void {
    if (standings !== null || this._standings !== null) {
      this._standings = standings;
      this._changed.emit();
    }
  }

  private _answered = 0;
  private _asked = '';
  private _asking: AbortController | undefined;
  private _changed = new Signal<this, void>(this);
  private _disposed = false;
  private _failure: MlopsError | null = null;
  private _standings: CellStandings | null = null;
  private _sure = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _turn = 0;
  private _waiting = false;
  private _workspace: IWorkspace | null = null;
}

function signature(cells: readonly { id: string; source: string }[]): string {
  return JSON.stringify(cells.map(({ id, source }) => [id, source]));
}
