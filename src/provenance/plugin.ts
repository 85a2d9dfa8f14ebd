import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import { CommandIDs, describeArgs, textArg } from '../commands';
import { followFront, PerNotebook } from '../components/notebooks';
import { attempt } from '../components/notify';
import { IMlopsServices } from '../components/tokens';

/** What made an output, what a cell leads to, and the way from a page to the cell. */
export const provenancePlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:provenance',
  description: 'Says what made outputs and what cells lead to.',
  autoStart: true,
  requires: [IMlopsServices, INotebookTracker],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    tracker: INotebookTracker,
    palette: ICommandPalette | null
  ) => {
    const { trans } = services;
    const { commands } = app;
    const provenance = new PerNotebook(async panel => {
      services.workspaces.start();
      const [{ NotebookProvenance }] = await Promise.all([
        import('./notebook-provenance'),
        panel.context.ready
      ]);
      return new NotebookProvenance(services, panel);
    });
    let front: NotebookPanel | null = null;

    followFront(app, tracker, panel => {
      if (front && front !== panel && !front.isDisposed) {
        void provenance.known(front)?.then(each => {
          each.setActive(false);
        });
      }
      front = panel;
      if (panel) {
        void attempt(trans, async () => {
          const found = await provenance.of(panel);
          found.setActive(panel === front && !panel.isDisposed);
        });
      }
    });

    commands.addCommand(CommandIDs.showOrigin, {
      label: trans.__('Show What Made This Output'),
      caption: trans.__(
        "Show the executions, files and data behind the active cell's output"
      ),
      describedBy: { args: describeArgs() },
      isEnabled: () => tracker.currentWidget !== null,
      execute: async () => {
        const panel = tracker.currentWidget;
        if (!panel) {
          return;
        }
        await attempt(trans, async () => {
          const shown = (await provenance.of(panel)).show();
          if (!shown) {
            Notification.info(
              shown === null
                ? trans.__('This notebook is in no workspace.')
                : trans.__('The active cell shows no plot, table or value.'),
              { autoClose: 5000 }
            );
          }
        });
      }
    });

    commands.addCommand(CommandIDs.showCell, {
      label: trans.__('Show Cell'),
      caption: trans.__('Open a notebook at one of its cells'),
      describedBy: {
        args: describeArgs(
          {
            path: trans.__('Notebook, as a path in the workspace'),
            cell: trans.__("The cell's id"),
            execution: trans.__('Or the id of an execution of it'),
            count: trans.__('Number of the execution'),
            workspace: trans.__('Root of the workspace')
          },
          ['path']
        )
      },
      isEnabled: args =>
        textArg(args, 'path') !== '' &&
        (textArg(args, 'cell') !== '' || textArg(args, 'execution') !== ''),
      execute: async args => {
        await attempt(trans, async () => {
          const { showCell } = await import('./show-cell');
          await showCell(services, tracker, {
            path: textArg(args, 'path'),
            cell: textArg(args, 'cell'),
            execution: textArg(args, 'execution'),
            count: textArg(args, 'count'),
            workspace:
              typeof args.workspace === 'string' ? args.workspace : undefined
          });
        });
      }
    });

    palette?.addItem({
      command: CommandIDs.showOrigin,
      category: trans.__('MLOps')
    });
  }
};
