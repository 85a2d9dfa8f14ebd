import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { CommandIDs, describeArgs, textArg } from '../commands';
import { followFront, PerNotebook } from '../components/notebooks';
import { attempt } from '../components/notify';
import { IMlopsServices } from '../components/tokens';
import { runStaleIcon, sliceIcon } from './icons';
import type { NotebookCells } from './notebook-cells';

/** Lab's commands after which a kernel has nothing of what it had. */
const RESTARTS = new Set([
  'notebook:restart-kernel',
  'notebook:restart-run-all',
  'notebook:restart-clear-output',
  'notebook:restart-and-run-to-selected'
]);

/** Marks of stale cells, running what is stale, and the slice of a value. */
export const cellsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:cells',
  description: 'Marks stale cells of notebooks and shows what made a value.',
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
    const cells = new PerNotebook(async panel => {
      const [{ NotebookCells }] = await Promise.all([
        import('./notebook-cells'),
        panel.context.ready
      ]);
      return new NotebookCells(services, panel);
    });
    followFront(app, tracker, panel => {
      if (panel) {
        void attempt(trans, async () => (await cells.of(panel)).model.seen());
      }
    });

    commands.commandExecuted.connect((_, { id }) => {
      if (RESTARTS.has(id)) {
        void cells.known(tracker.currentWidget)?.then(each => {
          each.warnOfHidden();
        });
      }
    });

    /** The notebook that is named, opened; none named: the one in front. */
    const panelOf = async (args: ReadonlyPartialJSONObject) => {
      const path = textArg(args, 'path');
      if (!path) {
        return tracker.currentWidget;
      }
      const { openNotebook } = await import('../provenance/show-cell');
      const root =
        textArg(args, 'workspace') || (services.workspaces.current?.root ?? '');
      return openNotebook(services, tracker, path, root);
    };

    const add = (
      id: string,
      options: {
        label: string;
        caption: string;
        icon?: typeof sliceIcon;
        args?: Record<string, string>;
      },
      execute: (found: NotebookCells, name: string) => unknown
    ) => {
      commands.addCommand(id, {
        label: options.label,
        caption: options.caption,
        ...(options.icon && { icon: options.icon }),
        describedBy: { args: describeArgs(options.args) },
        isEnabled: args =>
          tracker.currentWidget !== null || textArg(args, 'path') !== '',
        execute: async args => {
          await attempt(trans, async () => {
            const panel = await panelOf(args);
            if (panel) {
              await execute(await cells.of(panel), textArg(args, 'name'));
            }
          });
        }
      });
      if (id !== CommandIDs.clearSlice) {
        palette?.addItem({ command: id, category: trans.__('MLOps') });
      }
    };

    add(
      CommandIDs.runStale,
      {
        label: trans.__('Run What Is Stale'),
        caption: trans.__(
          'Run the cells whose results no longer follow from the notebook, in the right order'
        ),
        icon: runStaleIcon
      },
      found => found.runStale()
    );
    add(
      CommandIDs.runNeeded,
      {
        label: trans.__('Run This Cell and What It Needs'),
        caption: trans.__(
          'Run the cell, and before it the cells whose results it needs and the kernel no longer has'
        )
      },
      found => found.runNeeded()
    );
    add(
      CommandIDs.showSlice,
      {
        label: trans.__('Show Slice of…'),
        caption: trans.__(
          'Highlight the cells that made a variable, a file, a run, a metric, a model or an endpoint'
        ),
        icon: sliceIcon,
        args: {
          name: trans.__(
            'What was made; left out: what is marked in the editor, or what is typed'
          ),
          path: trans.__(
            'Notebook that is opened, as a path in the workspace; left out: the one in front'
          ),
          workspace: trans.__('Root of the workspace')
        }
      },
      (found, name) => found.showSlice(name)
    );
    add(
      CommandIDs.clearSlice,
      {
        label: trans.__('Close the Slice'),
        caption: trans.__('Highlight no slice any more')
      },
      found => found.clearSlice()
    );
    add(
      CommandIDs.explainCell,
      {
        label: trans.__('Why Is This Cell Marked?'),
        caption: trans.__('Say how the cell stands to what ran, and why')
      },
      found => found.explain()
    );
    add(
      CommandIDs.nextMarked,
      {
        label: trans.__('Go to the Next Stale Cell'),
        caption: trans.__(
          'Go to the next cell that is stale, edited, failed or relies on hidden state'
        )
      },
      found => found.nextMarked()
    );
  }
};
