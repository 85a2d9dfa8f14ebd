import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import type { IServices } from '../components';
import { WorkspaceQuery } from '../workspace/query';
import type { ModelPage } from './types';

const MODELS_AT_FIRST = 50;
const MOST_MODELS = 1000;

/** The registered models of the current workspace. */
export class ModelsModel implements IDisposable {
  constructor(services: IServices) {
    this.query = new WorkspaceQuery<ModelPage>({
      workspaces: services.workspaces,
      changes: services.changes,
      load: (client, signal) =>
        client.get('/registry/models', {
          query: { search: this._search, max_results: this._count },
          signal
        }),
      concerns: change => change.topic === 'model'
    });
  }

  readonly query: WorkspaceQuery<ModelPage>;

  get changed(): ISignal<unknown, void> {
    return this.query.changed;
  }

  /** Part of the names that are shown; empty: all. */
  get search(): string {
    return this._search;
  }

  get isDisposed(): boolean {
    return this.query.isDisposed;
  }

  dispose(): void {
    this.query.dispose();
  }

  setActive(active: boolean): void {
    this.query.setActive(active);
  }

  setSearch(search: string): void {
    this._search = search;
    void this.query.refresh();
  }

  showMore(): void {
    this._count = Math.min(this._count * 4, MOST_MODELS);
    void this.query.refresh();
  }

  private _count = MODELS_AT_FIRST;
  private _search = '';
}
