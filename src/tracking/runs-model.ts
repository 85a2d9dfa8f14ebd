import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { MlopsError, WorkspaceClient } from '../api';
import { asMlopsError, isAbort } from '../api';
import type { IServices } from '../components';
import type { ISort } from '../components/table';
import { WorkspaceQuery } from '../workspace/query';
import type { Experiment, RunPage, RunSummary } from './types';

/** The most rows that one request can bring. */
const MOST_ROWS = 1000;

/** Metrics shown where the person chose none. */
const METRICS_AT_FIRST = 3;

/** The runs of the current workspace as a table: what is asked for, and the rows so far. */
export class RunsModel implements IDisposable {
  constructor(private readonly services: IServices) {
    const { workspaces, changes } = services;
    // Before the queries: what is asked for has to be right when they ask.
    workspaces.changed.connect(this.onWorkspace, this);
    this._query = new WorkspaceQuery<RunPage>({
      workspaces,
      changes,
      load: (client, signal) => this.load(client, signal),
      concerns: change => change.topic === 'run'
    });
    this._experiments = new WorkspaceQuery<Experiment[]>({
      workspaces,
      changes,
      load: async (client, signal) =>
        (await client.get('/tracking/experiments', { signal })).items,
      concerns: change => change.topic === 'run' && change.action !== 'progress'
    });
    this._query.changed.connect(this.emit, this);
    this._experiments.changed.connect(this.emit, this);
    services.settings.changed.connect(this.emit, this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get rows(): readonly RunSummary[] {
    return this._query.data?.items ?? [];
  }

  get hasMore(): boolean {
    return Boolean(this._query.data?.next_page_token);
  }

  /** Whether an answer has come at all. */
  get isLoaded(): boolean {
    return this._query.data !== undefined;
  }

  get isLoading(): boolean {
    return this._query.isLoading || this._loadingMore;
  }

  get error(): MlopsError | undefined {
    return this._query.error ?? this._moreError;
  }

  get experiments(): readonly Experiment[] {
    return this._experiments.data ?? [];
  }

  /** Id of the experiment; empty: all. */
  get experiment(): string {
    return this._experiment;
  }

  /** In MLflow's syntax; empty: all. */
  get filter(): string {
    return this._filter;
  }

  get sort(): ISort {
    return this._sort;
  }

  get onlyNotebook(): boolean {
    return this._onlyNotebook;
  }

  /** Every metric that the rows have, in alphabetical order. */
  get metricKeys(): string[] {
    return keysOf(this.rows.map(row => row.metrics));
  }

  /** Every parameter that the rows have, in alphabetical order. */
  get paramKeys(): string[] {
    return keysOf(this.rows.map(row => row.params));
  }

  /** The metrics shown as columns: the chosen ones, else the first few. */
  get metricColumns(): readonly string[] {
    const chosen = this.services.settings.metrics;
    return chosen.length ? chosen : this.metricKeys.slice(0, METRICS_AT_FIRST);
  }

  get paramColumns(): readonly string[] {
    return this.services.settings.params;
  }

  get isDisposed(): boolean {
    return this._query.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.services.workspaces.changed.disconnect(this.onWorkspace, this);
    this.services.settings.changed.disconnect(this.emit, this);
    this._query.dispose();
    this._experiments.dispose();
    Signal.clearData(this);
  }

  setActive(active: boolean): void {
    this._query.setActive(active);
    this._experiments.setActive(active);
  }

  setExperiment(id: string): void {
    this._experiment = id;
    this.ask();
  }

  setFilter(filter: string): void {
    if (filter.trim() !== this._filter) {
      this._filter = filter.trim();
      this.ask();
    }
  }

  setSort(sort: ISort): void {
    this._sort = sort;
    this.ask();
  }

  /** Whether the runs in the trash are shown instead. */
  get deleted(): boolean {
    return this._deleted;
  }

  setDeleted(deleted: boolean): void {
    this._deleted = deleted;
    this.ask();
  }

  setOnlyNotebook(only: boolean): void {
    this._onlyNotebook = only;
    this.ask();
  }

  refresh(): Promise<void> {
    return this._query.refresh();
  }

  /** Ask for the next page and put it below. */
  async loadMore(): Promise<void> {
    const before = this._query.data;
    const client = this._query.workspace?.client;
    if (!before?.next_page_token || !client || this._loadingMore) {
      return;
    }
    this._loadingMore = true;
    this._moreError = undefined;
    this.emit();
    try {
      const page = await client.get('/tracking/runs', {
        query: {
          ...this.asked(),
          page_token: before.next_page_token,
          max_results: this.services.settings.pageSize
        }
      });
      // A change in between has replaced the rows: then the page does not fit.
      if (this._query.data === before) {
        this._query.set({
          items: [...before.items, ...page.items],
          next_page_token: page.next_page_token
        });
      }
    } catch (error) {
      if (!isAbort(error)) {
        this._moreError = asMlopsError(error);
      }
    } finally {
      this._loadingMore = false;
      this.emit();
    }
  }

  /** Load as many rows as are shown now, so that a change does not fold the table. */
  private load(client: WorkspaceClient, signal: AbortSignal): Promise<RunPage> {
    this._moreError = undefined;
    return client.get('/tracking/runs', {
      query: {
        ...this.asked(),
        max_results: Math.min(
          Math.max(this.services.settings.pageSize, this.rows.length),
          MOST_ROWS
        )
      },
      signal
    });
  }

  private asked() {
    return {
      experiment: this._experiment,
      filter: this._filter,
      order_by: this._sort.id,
      descending: this._sort.descending,
      notebook: this._onlyNotebook ? this._notebook : '',
      deleted: this._deleted
    };
  }

  private ask(): void {
    this.emit();
    void this._query.refresh();
  }

  private onWorkspace(): void {
    const { notebook, current } = this.services.workspaces;
    if (current?.root !== this._root) {
      this._root = current?.root;
      this._experiment = '';
    }
    if (notebook !== this._notebook) {
      this._notebook = notebook;
      if (this._onlyNotebook) {
        this._query.invalidate();
      }
    }
    this.emit();
  }

  private emit(): void {
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
  private _deleted = false;
  private _experiment = '';
  private _experiments: WorkspaceQuery<Experiment[]>;
  private _filter = '';
  private _loadingMore = false;
  private _moreError: MlopsError | undefined;
  private _notebook = '';
  private _onlyNotebook = false;
  private _query: WorkspaceQuery<RunPage>;
  private _root: string | undefined;
  private _sort: ISort = { id: 'started_at', descending: true };
}

function keysOf(records: readonly Readonly<Record<string, unknown>>[]) {
  return [...new Set(records.flatMap(record => Object.keys(record)))].sort();
}
