import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { CommandIDs, describeArgs, rootArg, textArg } from '../commands';
import { experimentsIcon } from '../components/icons';
import { attempt } from '../components/notify';
import { LazyWidget } from '../components/lazy';
import { addPageCommand, Pages } from '../components/page';
import { addPanel } from '../components/panel';
import { IMlopsServices } from '../components/tokens';

/** The Experiments panel, the wide table of runs, and the page of a run. */
export const trackingPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:tracking',
  description: 'Adds the Experiments panel and the page of a run.',
  autoStart: true,
  requires: [IMlopsServices],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const { trans, workspaces } = services;
    const { commands } = app;
    const load = async (wide: boolean) => {
      const { createRunsView } = await import('./panel');
      return createRunsView(services, wide);
    };

    addPanel(app, restorer, new LazyWidget(() => load(false), trans), {
      id: 'jupyter-mlops-experiments',
      icon: experimentsIcon,
      caption: trans.__('Experiments'),
      rank: 610,
      show: {
        command: CommandIDs.openExperiments,
        label: trans.__('Show Experiments'),
        caption: trans.__('Show the runs of the workspace')
      }
    });

    const tables = new Pages(app, trans, restorer, CommandIDs.openRunsTable);

    commands.addCommand(CommandIDs.openRunsTable, {
      label: trans.__('Open Runs Table'),
      caption: trans.__('Open the runs of the workspace as a wide table'),
      icon: experimentsIcon,
      describedBy: { args: describeArgs() },
      execute: () => {
        tables.open({
          id: 'jupyter-mlops-runs-table',
          args: {},
          title: trans.__('Runs'),
          icon: experimentsIcon,
          load: () => load(true)
        });
      }
    });

    const runs = addPageCommand(app, services, restorer, CommandIDs.openRun, {
      label: trans.__('Open Run'),
      caption: trans.__('Open the page of a run'),
      icon: experimentsIcon,
      args: {
        id: trans.__('Run id'),
        name: trans.__('Name of the run, for the tab')
      },
      prefix: 'jupyter-mlops-run',
      describe: name => trans.__('Run %1', name),
      load: () => import('./run-page'),
      view: (page, workspace, id) => page.createRunPage(services, workspace, id)
    });

    const reproduce = (
      command: string,
      label: string,
      caption: string,
      what: 'restore' | 'verify'
    ) => {
      const meant = (args: ReadonlyPartialJSONObject) => {
        const shown = runs.tracker.currentWidget;
        const found = textArg(args, 'id')
          ? args
          : shown?.isVisible
            ? shown.args
            : {};
        return {
          id: textArg(found, 'id'),
          name: textArg(found, 'name') || textArg(found, 'id').slice(0, 8),
          root: rootArg(found, workspaces)
        };
      };
      commands.addCommand(command, {
        label,
        caption,
        describedBy: {
          args: describeArgs({
            id: trans.__('Run id; left out: the run whose page is in front'),
            name: trans.__('Name of the run'),
            workspace: trans.__('Root of its workspace')
          })
        },
        isEnabled: args => meant(args).id !== '',
        execute: async args => {
          const { id, name, root } = meant(args);
          await commands.execute(CommandIDs.openRun, {
            id,
            name,
            workspace: root
          });
          await attempt(trans, async () => {
            const [workspace, dialogs] = await Promise.all([
              workspaces.open(root),
              import('../provenance/dialogs')
            ]);
            await dialogs.reproduceRun(services, workspace, { id, name }, what);
          });
        }
      });
    };
    reproduce(
      CommandIDs.restoreRun,
      trans.__('Restore Run…'),
      trans.__('Bring the state of a run back, beside your work'),
      'restore'
    );
    reproduce(
      CommandIDs.verifyRun,
      trans.__('Verify Run…'),
      trans.__('Run the cells of a run again and compare'),
      'verify'
    );

    const category = trans.__('MLOps');
    for (const command of [
      CommandIDs.openExperiments,
      CommandIDs.openRunsTable,
      CommandIDs.restoreRun,
      CommandIDs.verifyRun
    ]) {
      palette?.addItem({ command, category });
    }
  }
};
