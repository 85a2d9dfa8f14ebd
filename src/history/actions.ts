import { InputDialog, Notification } from '@jupyterlab/apputils';
import { MlopsError } from '../api';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import { attempt } from '../components/notify';
import type { IWorkspace } from '../workspace/tokens';
import type { IOpenNotebooks } from './open-notebooks';
import { formatMoment } from './text';
import type { NotebookVersion } from './types';

/** What a person does with versions. Every failure is shown, none is thrown. */
export class HistoryActions {
  constructor(
    private readonly services: IServices,
    private readonly notebooks: IOpenNotebooks
  ) {}

  /** Bring a version back; what is there, saved or not, is kept as a version before. */
  async restore(path: string, version: string, at: number): Promise<void> {
    const { trans, commands } = this.services;
    await this.attempt(async workspace => {
      const labPath = this.labPath(workspace, path);
      const context = this.notebooks.find(labPath);
      if (context?.model.dirty) {
        await context.save();
      }
      const done = await workspace.client.post('/versioning/notebook/restore', {
        body: { path, version }
      });
      if (context && !context.isDisposed) {
        await context.revert();
      } else {
        await commands.execute('docmanager:open', { path: labPath });
      }
      Notification.success(
        trans.__('"%1" is as it was at %2.', path, formatMoment(at)),
        {
          autoClose: 8000,
          actions: done.before
            ? [
                {
                  label: trans.__('Undo'),
                  caption: trans.__('Bring back what was there before'),
                  callback: () => {
                    void this.restore(
                      path,
                      done.before,
                      done.version.created_at
                    );
                  }
                }
              ]
            : []
        }
      );
    });
  }

  /** Open a version as a new notebook beside the notebook. */
  async copy(path: string, version: string): Promise<void> {
    await this.attempt(async workspace => {
      const copied = await workspace.client.post('/versioning/notebook/copy', {
        body: { path, version }
      });
      await this.services.commands.execute('docmanager:open', {
        path: this.labPath(workspace, copied.path)
      });
    });
  }

  /** Ask for a version's name. */
  async name(path: string, version: NotebookVersion): Promise<void> {
    const { trans } = this.services;
    const answer = await InputDialog.getText({
      title: trans.__('Name this version'),
      label: trans.__(
        'A version with a name is never thinned out. Leave it empty to take the name away.'
      ),
      text: version.name,
      okLabel: trans.__('Name it')
    });
    if (!answer.button.accept) {
      return;
    }
    await this.attempt(workspace =>
      workspace.client.put('/versioning/notebook/versions/{version}/name', {
        path: { version: version.id },
        query: { path },
        body: { name: (answer.value ?? '').trim() }
      })
    );
  }

  /** Keep the notebook as it is on the screen, with a name if the person gives one. */
  async keep(path: string): Promise<void> {
    const { trans } = this.services;
    const answer = await InputDialog.getText({
      title: trans.__('Keep a version of %1', path),
      label: trans.__('Name (optional); with a name it is never thinned out:'),
      okLabel: trans.__('Keep')
    });
    if (!answer.button.accept) {
      return;
    }
    await this.attempt(async workspace => {
      const context = this.notebooks.find(this.labPath(workspace, path));
      if (context?.model.dirty) {
        await context.save();
      }
      await workspace.client.post('/versioning/notebook/versions', {
        body: {
          path,
          content: null,
          cause: 'manual',
          execution_id: '',
          name: (answer.value ?? '').trim()
        }
      });
    });
  }

  /** Show how a version differs from another one, or from the file (`other` empty). */
  compare(path: string, version: NotebookVersion, other = ''): void {
    const { commands, workspaces } = this.services;
    void commands.execute(CommandIDs.compareVersions, {
      path,
      base: version.id,
      other,
      workspace: workspaces.current?.root ?? ''
    });
  }

  private async attempt(
    action: (workspace: IWorkspace) => Promise<unknown>
  ): Promise<void> {
    const { trans, workspaces } = this.services;
    await attempt(trans, async () => {
      const workspace = workspaces.current;
      if (workspace) {
        await action(workspace);
      }
    });
  }

  private labPath(workspace: IWorkspace, path: string): string {
    const found = workspace.toLab(path);
    if (found === null) {
      const { trans } = this.services;
      throw new MlopsError({
        code: 'not-reachable',
        what: trans.__('JupyterLab can not open "%1".', path),
        why: trans.__('It lies outside the folder JupyterLab was started in.'),
        next: trans.__("Start JupyterLab in the workspace's folder.")
      });
    }
    return found;
  }
}
