import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IServices } from '../components';
import type { IChange } from '../events/tokens';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { CellFeeds, Linked, NotebookImpact } from './types';

/** What can be told of one cell that something came of. */
export interface ICellImpact {
  readonly summary: string;
  /** What has a page, what matters most first. */
  readonly items: readonly Linked[];
  /**
   * - `same`: the cell is what led there
   * - `answering`: an endpoint that answers now was made by other code of the cell
   * - `older`: nothing answers now; what there is was made by other code of the cell
   */
  readonly code: 'same' | 'answering' | 'older';
}

const TOPICS = new Set(['run', 'model', 'endpoint', 'step_run']);
const WEIGHT: Readonly<Record<string, number>> = {
  endpoint: 0,
  model_version: 1,
  pipeline_run: 3,
  run: 2
};

/** What lives downstream of the cells of one notebook: one request for all of them. */
export class ImpactModel implements IDisposable {
  constructor(
    services: IServices,
    readonly workspace: IWorkspace,
    /** Workspace path of the notebook. */
    readonly path: string
  ) {
    this.query = new WorkspaceQuery<NotebookImpact>({
      workspaces: services.workspaces,
      changes: services.changes,
      workspace,
      load: (client, signal) =>
        client.get('/cells/impact/notebook', {
          query: { notebook: path },
          signal
        }),
      concerns: (change: IChange) =>
        TOPICS.has(change.topic) ||
        (change.topic === 'cell_execution' &&
          (change.key === path || change.key === ''))
    });
    this.query.changed.connect(this.onChanged, this);
  }

  readonly query: WorkspaceQuery<NotebookImpact>;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this.query.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.query.dispose();
      Signal.clearData(this);
    }
  }

  setActive(active: boolean): void {
    this.query.setActive(active);
  }

  /** What came of a cell, whose text is now `source`; undefined: nothing that is known. */
  of(cell: string, source: string): ICellImpact | undefined {
    const feeds = this._cells.get(cell);
    if (!feeds?.summary) {
      return undefined;
    }
    const same = feeds.code.some(text => plain(text) === plain(source));
    return {
      summary: feeds.summary,
      items: feeds.items
        .filter(item => item.kind in WEIGHT && item.live !== false)
        .sort((a, b) => (WEIGHT[a.kind] ?? 9) - (WEIGHT[b.kind] ?? 9)),
      code: same ? 'same' : feeds.live ? 'answering' : 'older'
    };
  }

  private onChanged(): void {
    this._cells = new Map(
      (this.query.data?.items ?? []).map(feeds => [feeds.cell_id, feeds])
    );
    this._changed.emit();
  }

  private _cells = new Map<string, CellFeeds>();
  private _changed = new Signal<this, void>(this);
}

/** A text without what makes no other code of it. */
function plain(source: string): string {
  return source.replace(/[^\S\n]+$/gm, '').trim();
}
