import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { historyIcon, undoIcon } from '@jupyterlab/ui-components';
import { CommandIDs, describeArgs, rootArg, textArg } from '../commands';
import { LazyWidget } from '../components/lazy';
import { Pages } from '../components/page';
import { addPanel } from '../components/panel';
import { IMlopsServices } from '../components/tokens';
import { localPath } from '../workspace/paths';
import { compareIcon } from './icons';
import { KeepExecutions } from './keep-executions';
import { OpenNotebooks } from './open-notebooks';

/** The History panel of the notebook in front, and the page that compares two versions. */
export const historyPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:history',
  description: 'Adds the History panel: earlier states of notebooks.',
  autoStart: true,
  requires: [IMlopsServices, INotebookTracker],
  optional: [ILayoutRestorer, ICommandPalette, IDefaultFileBrowser],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    tracker: INotebookTracker,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null
  ) => {
    const { trans, workspaces } = services;
    const { commands } = app;
    const notebooks = new OpenNotebooks(tracker);
    new KeepExecutions(services, tracker);

    const panel = addPanel(
      app,
      restorer,
      new LazyWidget(async () => {
        const [{ createHistoryView }, { createExecutionsSection }] =
          await Promise.all([import('./panel'), import('./executions')]);
        return createHistoryView(
          services,
          notebooks,
          createExecutionsSection(services, notebooks)
        );
      }, trans),
      {
        id: 'jupyter-mlops-history',
        icon: historyIcon,
        caption: trans.__('Notebook History'),
        area: 'right',
        rank: 650
      }
    );

    commands.addCommand(CommandIDs.openHistory, {
      label: trans.__('Notebook History'),
      caption: trans.__('Show, compare and bring back earlier states'),
      icon: historyIcon,
      describedBy: {
        args: describeArgs({
          from: trans.__(
            '"browser": the selected notebook is meant, not the open one'
          )
        })
      },
      execute: async args => {
        const [selected] = [...(browser?.selectedItems() ?? [])];
        if (textArg(args, 'from') === 'browser' && selected) {
          const path = localPath(selected.path);
          await commands.execute('docmanager:open', { path });
        }
        app.shell.activateById(panel.id);
      }
    });

    commands.addCommand(CommandIDs.undoCell, {
      label: trans.__('Undo Last Cell'),
      caption: trans.__(
        'Put the variables back as they were before the last cell that changed some'
      ),
      icon: undoIcon,
      describedBy: { args: describeArgs() },
      isEnabled: () => notebooks.current !== '',
      execute: async () => {
        const { TimeTravel } = await import('./time-travel');
        await new TimeTravel(services, notebooks).undo(notebooks.current);
      }
    });

    const pages = new Pages(app, trans, restorer, CommandIDs.compareVersions);
    commands.addCommand(CommandIDs.compareVersions, {
      label: trans.__('Compare Versions of a Notebook'),
      caption: trans.__('Show how two states of a notebook differ'),
      icon: compareIcon,
      describedBy: {
        args: describeArgs(
          {
            path: trans.__('Notebook, as a path in the workspace'),
            base: trans.__('Id of a version'),
            other: trans.__(
              'Id of the version it is compared with; the file if left out'
            ),
            workspace: trans.__('Root of its workspace')
          },
          ['path', 'base']
        )
      },
      isEnabled: args =>
        textArg(args, 'path') !== '' && textArg(args, 'base') !== '',
      execute: args => {
        const [path, base, other] = ['path', 'base', 'other'].map(name =>
          textArg(args, name)
        ) as [string, string, string];
        const root = rootArg(args, workspaces);
        const name = path.split('/').pop() ?? path;
        pages.open({
          id: `jupyter-mlops-diff-${root}-${path}-${base}`,
          args: { path, base, other, workspace: root },
          title: trans.__('%1 (version)', name),
          caption: trans.__('A version of %1, compared', path),
          icon: compareIcon,
          load: async () => {
            const [workspace, page] = await Promise.all([
              workspaces.open(root),
              import('./diff-page')
            ]);
            return page.createDiffPage({
              services,
              notebooks,
              workspace,
              path,
              base,
              other
            });
          }
        });
      }
    });

    for (const command of [CommandIDs.openHistory, CommandIDs.undoCell]) {
      palette?.addItem({ command, category: trans.__('MLOps') });
    }
  }
};
