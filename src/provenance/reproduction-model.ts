import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { MlopsError } from '../api';
import type { IServices } from '../components';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { Restoration, Verification } from './types';

/** How a run is brought back. */
export interface IRestoreChoice {
  readonly into: 'branch' | 'worktree';
  /** Empty: one is made up. */
  readonly name: string;
}

/** How a run is verified. */
export interface IVerifyChoice {
  /** On the files as they are now, not on the run's snapshot. */
  readonly present: boolean;
  readonly tolerance: number;
}

/** The verification of one run, live, and bringing its state back. */
export class ReproductionModel implements IDisposable {
  constructor(
    services: IServices,
    readonly workspace: IWorkspace,
    /** The run. */
    readonly id: string
  ) {
    this.query = new WorkspaceQuery<Verification | null>({
      workspaces: services.workspaces,
      changes: services.changes,
      workspace,
      load: async (client, signal) => {
        try {
          return await client.get('/reproduction/runs/{run_id}/verification', {
            path: { run_id: id },
            signal
          });
        } catch (error) {
          if (error instanceof MlopsError && error.code === 'not-found') {
            return null;
          }
          throw error;
        }
      },
      concerns: change => change.topic === 'run' && change.key === id
    });
    this.query.changed.connect(() => this._changed.emit());
  }

  /** Null: it was not verified yet. */
  readonly query: WorkspaceQuery<Verification | null>;

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

  async verify(choice: IVerifyChoice): Promise<void> {
    await this.workspace.client.post(
      '/reproduction/runs/{run_id}/verification',
      {
        path: { run_id: this.id },
        body: { ...choice, timeout_seconds: 0 }
      }
    );
    await this.query.refresh();
  }

  async cancel(): Promise<void> {
    await this.workspace.client.post(
      '/reproduction/runs/{run_id}/verification/cancel',
      { path: { run_id: this.id } }
    );
    await this.query.refresh();
  }

  restore(choice: IRestoreChoice): Promise<Restoration> {
    return this.workspace.client.post('/reproduction/runs/{run_id}/restore', {
      path: { run_id: this.id },
      body: choice
    });
  }

  /** Take a restored state away that nobody worked in. */
  undo(name: string): Promise<unknown> {
    return this.workspace.client.delete('/reproduction/restored/{name}', {
      path: { name },
      query: { force: false }
    });
  }

  private _changed = new Signal<this, void>(this);
}

/** Whether a verification goes on. */
export function isGoing(
  verification: Verification | null | undefined
): boolean {
  return (
    verification?.status === 'queued' || verification?.status === 'running'
  );
}
