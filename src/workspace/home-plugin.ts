import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import {
  ICommandPalette,
  InputDialog,
  Notification
} from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { folderIcon } from '@jupyterlab/ui-components';
import { MlopsError } from '../api/errors';
import { CommandIDs, describeArgs, textArg } from '../commands';
import { mlopsIcon } from '../components/icons';
import { attempt } from '../components/notify';
import { Pages } from '../components/page';
import { IMlopsServices } from '../components/tokens';
import { localPath } from './paths';

/** The overview page, and making a folder a workspace. */
export const homePlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:home',
  description: 'Adds the overview of the workspace.',
  autoStart: true,
  requires: [IMlopsServices],
  optional: [ILayoutRestorer, ICommandPalette, ILauncher, IDefaultFileBrowser],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    browser: IDefaultFileBrowser | null
  ) => {
    const { trans, workspaces } = services;
    const { commands } = app;
    const category = trans.__('MLOps');
    const pages = new Pages(app, trans, restorer, CommandIDs.openHome);

    commands.addCommand(CommandIDs.openHome, {
      label: args =>
        args.isLauncher
          ? trans.__('Workbench')
          : trans.__('Open MLOps Overview'),
      caption: trans.__('Show the workspace, its git state and its worker'),
      icon: mlopsIcon,
      describedBy: { args: describeArgs() },
      execute: () => {
        pages.open({
          id: 'jupyter-mlops-home',
          args: {},
          title: trans.__('MLOps'),
          icon: mlopsIcon,
          load: async () => {
            const { createHome } = await import('./home');
            return createHome(services);
          }
        });
      }
    });

    commands.addCommand(CommandIDs.makeWorkspace, {
      label: trans.__('Make This Folder an MLOps Workspace…'),
      caption: trans.__('Write mlops.toml and .mlops into the folder'),
      icon: folderIcon,
      describedBy: {
        args: describeArgs({
          path: trans.__('Folder; the current one if left out')
        })
      },
      execute: async args => {
        const folder =
          typeof args.path === 'string'
            ? args.path
            : localPath(browser?.model.path ?? workspaces.folder);
        const answer = await InputDialog.getText({
          title: trans.__('Make "%1" a workspace', folder || '/'),
          label: trans.__(
            'This writes mlops.toml, .mlops/ and a line in .gitignore. Name of the workspace:'
          ),
          text: folder.split('/').pop() ?? '',
          placeholder: trans.__("The folder's name"),
          okLabel: trans.__('Make workspace')
        });
        if (!answer.button.accept) {
          return;
        }
        await attempt(trans, async () => {
          await workspaces.init(folder, answer.value ?? '');
          Notification.success(
            trans.__('"%1" is a workspace now.', folder || '/')
          );
        });
      }
    });

    commands.addCommand(CommandIDs.openPath, {
      label: args => trans.__('Open %1', textArg(args, 'path')),
      caption: trans.__('Open a file of a workspace'),
      describedBy: {
        args: describeArgs(
          {
            path: trans.__('Path in the workspace'),
            workspace: trans.__(
              'Root of the workspace; the current one if left out'
            )
          },
          ['path']
        )
      },
      execute: async args => {
        await attempt(trans, async () => {
          const workspace =
            typeof args.workspace === 'string'
              ? await workspaces.open(args.workspace)
              : workspaces.current;
          const path = workspace?.toLab(textArg(args, 'path'));
          if (!path) {
            throw new MlopsError({
              code: 'not-reachable',
              what: trans.__(
                'JupyterLab can not open "%1".',
                textArg(args, 'path')
              ),
              why: trans.__(
                'It lies outside the folder JupyterLab was started in.'
              ),
              next: trans.__("Start JupyterLab in the workspace's folder.")
            });
          }
          return commands.execute('docmanager:open', { path });
        });
      }
    });

    palette?.addItem({ command: CommandIDs.openHome, category });
    palette?.addItem({ command: CommandIDs.makeWorkspace, category });
    launcher?.add({
      command: CommandIDs.openHome,
      category,
      args: { isLauncher: true },
      rank: 0
    });
  }
};
