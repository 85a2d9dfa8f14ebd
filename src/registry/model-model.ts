import type { IServices } from '../components';
import { LiveModel } from '../workspace/live-model';
import { WorkspaceQuery } from '../workspace/query';
import type { IWorkspace } from '../workspace/tokens';
import type { ModelDetail } from './types';

/** One registered model with its versions, live. */
export class ModelModel extends LiveModel {
  constructor(
    services: IServices,
    readonly workspace: IWorkspace,
    readonly name: string
  ) {
    super();
    this.query = this.follow(
      new WorkspaceQuery<ModelDetail>({
        workspaces: services.workspaces,
        changes: services.changes,
        workspace,
        load: (client, signal) =>
          client.get('/registry/models/{name}', { path: { name }, signal }),
        // Where a version answers is told by endpoints.
        concerns: change =>
          change.topic === 'endpoint' ||
          (change.topic === 'model' &&
            (change.key === name || change.key.startsWith(`${name}/`)))
      })
    );
  }

  readonly query: WorkspaceQuery<ModelDetail>;

  async setAlias(alias: string, version: string): Promise<void> {
    await this.workspace.client.put('/registry/models/{name}/aliases/{alias}', {
      path: { name: this.name, alias },
      body: { version }
    });
    await this.query.refresh();
  }

  async deleteAlias(alias: string): Promise<void> {
    await this.workspace.client.delete(
      '/registry/models/{name}/aliases/{alias}',
      { path: { name: this.name, alias } }
    );
    await this.query.refresh();
  }
}
