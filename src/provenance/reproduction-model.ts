import type { WorkspaceClient } from '../api';
import { MlopsError } from '../api';
import type { IServices } from '../components';
import type { IChange } from '../events/tokens';
import { LiveModel } from '../workspace/live-model';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type {
  Rebuild,
  Restoration,
  RunEnvironment,
  Verification
} from './types';

/** How a run is brought back. */
export interface IRestoreChoice {
  readonly into: 'branch' | 'worktree';
  /** Empty: one is made up. */
  readonly name: string;
}

/** What the dialog asks. */
export interface IRestoreWish extends IRestoreChoice {
  /** Make its environment again, too. */
  readonly environment: boolean;
}

/** How a run is verified. */
export interface IVerifyChoice {
  /** On the files as they are now, not on the run's snapshot. */
  readonly present: boolean;
  readonly tolerance: number;
}

/** The verification and the environment of one run, live, and bringing its state back. */
export class ReproductionModel extends LiveModel {
  constructor(
    services: IServices,
    readonly workspace: IWorkspace,
    /** The run. */
    readonly id: string
  ) {
    super();
    this.query = this.follow(
      runQuery<Verification>(services, workspace, id, {
        load: (client, signal) =>
          client.get('/reproduction/runs/{run_id}/verification', {
            path: { run_id: id },
            signal
          }),
        concerns: change => !tellsRebuild(change)
      })
    );
    this.rebuild = this.follow(rebuildQuery(services, workspace, id));
  }

  /** Null: it was not verified yet. */
  readonly query: WorkspaceQuery<Verification | null>;
  /** The last making of the run's environment; null: none was asked for. */
  readonly rebuild: WorkspaceQuery<Rebuild | null>;

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

  /** What the run's environment was, and by what it can be made again. */
  environment(): Promise<RunEnvironment> {
    return this.workspace.client.get(
      '/reproduction/runs/{run_id}/environment',
      {
        path: { run_id: this.id }
      }
    );
  }

  /** Let the worker make the run's environment again, in a restored folder. */
  async makeEnvironment(name: string, replace: boolean): Promise<Rebuild> {
    const started = await this.workspace.client.post(
      '/reproduction/runs/{run_id}/rebuild',
      { path: { run_id: this.id }, body: { name, replace } }
    );
    await this.rebuild.refresh();
    return started;
  }

  async cancelEnvironment(): Promise<void> {
    await this.workspace.client.post(
      '/reproduction/runs/{run_id}/rebuild/cancel',
      { path: { run_id: this.id } }
    );
    await this.rebuild.refresh();
  }

  /** Take a restored state away; one that somebody worked in only with `force`. */
  async undo(name: string, force = false): Promise<void> {
    await this.workspace.client.delete('/reproduction/restored/{name}', {
      path: { name },
      query: { force }
    });
    await this.rebuild.refresh();
  }
}

/** How the last making of a run's environment stands, live. */
export function rebuildQuery(
  services: IServices,
  workspace: IWorkspace,
  id: string
): WorkspaceQuery<Rebuild | null> {
  return runQuery<Rebuild>(services, workspace, id, {
    load: (client, signal) =>
      client.get('/reproduction/runs/{run_id}/rebuild', {
        path: { run_id: id },
        signal
      }),
    concerns: tellsRebuild
  });
}

/** Something of a run that may not be there yet, live. */
function runQuery<T>(
  services: IServices,
  workspace: IWorkspace,
  id: string,
  options: {
    load(client: WorkspaceClient, signal: AbortSignal): Promise<T>;
    /** Whether a change of the run concerns it. */
    concerns(change: IChange): boolean;
  }
): WorkspaceQuery<T | null> {
  return new WorkspaceQuery<T | null>({
    workspaces: services.workspaces,
    changes: services.changes,
    workspace,
    load: (client, signal) => unlessMissing(options.load(client, signal)),
    concerns: change =>
      change.topic === 'run' && change.key === id && options.concerns(change)
  });
}

/** Whether a verification, or the making of an environment, goes on. */
export function isGoing(
  work: Pick<Verification | Rebuild, 'status'> | null | undefined
): boolean {
  return work?.status === 'queued' || work?.status === 'running';
}

function tellsRebuild(change: IChange): boolean {
  return 'rebuild' in change.data;
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof MlopsError && error.code === 'not-found') {
      return null;
    }
    throw error;
  }
}
