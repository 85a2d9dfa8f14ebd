import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { WorkspaceClient } from '../api';
import type { IServices } from '../components';
import type { IChange } from '../events/tokens';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type {
  CellImpact,
  ExecutionDetail,
  ExecutionStatus,
  Linked,
  ListedExecution
} from './types';

/** Rows that are listed at first: the versions below stay in sight. */
const ROWS = 10;
/** So many times more are listed each time that more are asked for. */
const GROWTH = 3;
/** Rows of one request; more are fetched by the token of the page before. */
const PAGE = 500;
const TYPING_MS = 300;
/** Version of a name to which nothing was bound, as in `jupyter_mlops/cells/record.py`. */
const ABSENT = 'absent';

/** The newest executions of a notebook. */
export interface IListed {
  readonly items: readonly ListedExecution[];
  /** Whether there are older ones. */
  readonly more: boolean;
}

/** All that is known of one execution. */
export interface IWhole {
  readonly detail: ExecutionDetail;
  readonly links: readonly Linked[];
  /** What lives downstream of its cell; null: the cell has no id. */
  readonly impact: CellImpact | null;
}

/** A name that an execution read. */
export interface IRead {
  readonly name: string;
  /** The listed execution that its version is from; undefined: it is not listed. */
  readonly from: ListedExecution | undefined;
  /** Nothing was bound to it. */
  readonly absent: boolean;
}

/** The executions of one notebook's cells, newest first, and those of them that are opened. */
export class ExecutionsModel implements IDisposable {
  constructor(
    private readonly services: IServices,
    readonly path: string
  ) {
    this.workspace = services.workspaces.current;
    this.list = this.query(
      (client, signal) => this.load(client, signal),
      change => this.isOurs(change)
    );
    this.list.changed.connect(this.emit, this);
  }

  /** The workspace that the notebook was found in. */
  readonly workspace: IWorkspace | null;
  readonly list: WorkspaceQuery<IListed>;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get search(): string {
    return this._search;
  }

  get status(): ExecutionStatus | '' {
    return this._status;
  }

  get isDisposed(): boolean {
    return this.list.isDisposed;
  }

  dispose(): void {
    clearTimeout(this._typing);
    this._opened.forEach(query => query.dispose());
    this._opened.clear();
    this.list.dispose();
    Signal.clearData(this);
  }

  setActive(active: boolean): void {
    this.list.setActive(active);
    this._opened.forEach(query => query.setActive(active));
  }

  /** Search when the person has stopped typing. */
  setSearch(search: string): void {
    this._search = search;
    clearTimeout(this._typing);
    this._typing = setTimeout(() => this.again(), TYPING_MS);
  }

  setStatus(status: ExecutionStatus | ''): void {
    this._status = status;
    this.again();
  }

  showMore(): void {
    this._rows *= GROWTH;
    void this.list.refresh();
  }

  /** All of an execution that is opened; undefined: it is closed. */
  opened(id: string): WorkspaceQuery<IWhole> | undefined {
    return this._opened.get(id);
  }

  /** Open or close an execution. What it led to is asked for only now. */
  toggle(id: string): void {
    const open = this._opened.get(id);
    if (open) {
      open.dispose();
      this._opened.delete(id);
    } else {
      const query = this.query(
        (client, signal) => whole(client, id, signal),
        change =>
          this.isOurs(change) ||
          ['run', 'model', 'endpoint'].includes(change.topic)
      );
      query.changed.connect(this.emit, this);
      query.setActive(this.list.isActive);
      this._opened.set(id, query);
    }
    this._changed.emit();
  }

  /** The names that an execution read, with the executions that made what it found in them. */
  reads(reader: ListedExecution): IRead[] {
    const before = (this.list.data?.items ?? []).filter(
      row => row.session === reader.session && row.sequence < reader.sequence
    );
    return Object.entries(reader.reads).map(([name, version]) => {
      // A version begins with the key of the execution that made it, or with its id where it has no key.
      const [stamp] = version.split(':');
      const from = stamp
        ? before.find(row => row.key === stamp || row.id === stamp)
        : undefined;
      return { name, from, absent: version === ABSENT };
    });
  }

  private query<T>(
    load: (client: WorkspaceClient, signal: AbortSignal) => Promise<T>,
    concerns: (change: IChange) => boolean
  ): WorkspaceQuery<T> {
    const { workspaces, changes } = this.services;
    const { workspace } = this;
    return new WorkspaceQuery<T>({
      workspaces,
      changes,
      ...(workspace && { workspace }),
      load,
      concerns
    });
  }

  /** Pages up to the number of rows that are wanted. */
  private async load(
    client: WorkspaceClient,
    signal: AbortSignal
  ): Promise<IListed> {
    const items: ListedExecution[] = [];
    let token = '';
    do {
      const page = await client.get('/cells/executions', {
        query: {
          notebook: this.path,
          search: this._search,
          status: this._status,
          max_results: Math.min(PAGE, this._rows - items.length),
          page_token: token
        },
        signal
      });
      items.push(...page.items);
      token = page.next_page_token;
    } while (token && items.length < this._rows);
    return { items, more: token !== '' };
  }

  private again(): void {
    this._rows = ROWS;
    void this.list.refresh();
  }

  private isOurs(change: IChange): boolean {
    return (
      change.topic === 'cell_execution' &&
      (change.key === this.path || change.key === '')
    );
  }

  private emit(): void {
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
  private _opened = new Map<string, WorkspaceQuery<IWhole>>();
  private _rows = ROWS;
  private _search = '';
  private _status: ExecutionStatus | '' = '';
  private _typing: ReturnType<typeof setTimeout> | undefined;
}

async function whole(
  client: WorkspaceClient,
  execution: string,
  signal: AbortSignal
): Promise<IWhole> {
  const options = { path: { execution }, signal };
  const [detail, links] = await Promise.all([
    client.get('/cells/executions/{execution}', options),
    client.get('/cells/executions/{execution}/links', options)
  ]);
  const { notebook, cell_id: cell } = detail;
  const impact = cell
    ? await client.get('/cells/impact', {
        query: { notebook, cell_id: cell },
        signal
      })
    : null;
  return { detail, links: links.items, impact };
}
