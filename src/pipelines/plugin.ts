import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { runIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { MlopsError } from '../api/errors';
import { IApiClient } from '../api/tokens';
import { CommandIDs, describeArgs, textArg } from '../commands';
import { pipelinesIcon } from '../components/icons';
import { LazyWidget } from '../components/lazy';
import { attempt } from '../components/notify';
import { addPageCommand } from '../components/page';
import { addPanel } from '../components/panel';
import type { IServices } from '../components/services';
import { IMlopsServices } from '../components/tokens';
import { localPath } from '../workspace/paths';
import { ExecutedDrive, executedPath } from './drive';

/** The Pipelines panel, the page of a pipeline run, and the commands that start one. */
export const pipelinesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:pipelines',
  description: 'Adds the Pipelines panel and the commands that run notebooks.',
  autoStart: true,
  requires: [IMlopsServices, IApiClient],
  optional: [
    ILayoutRestorer,
    ICommandPalette,
    IDefaultFileBrowser,
    INotebookTracker
  ],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    api: IApiClient,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null,
    notebooks: INotebookTracker | null
  ) => {
    const { trans } = services;
    const { commands } = app;

    app.serviceManager.contents.addDrive(new ExecutedDrive(api, trans));
    app.docRegistry.addFileType({
      name: 'mlops-pipeline',
      displayName: trans.__('MLOps Pipeline'),
      pattern: '\\.pipeline\\.ya?ml$',
      extensions: ['.pipeline.yaml', '.pipeline.yml'],
      mimeTypes: ['text/yaml'],
      contentType: 'file',
      fileFormat: 'text',
      icon: pipelinesIcon
    });

    addPanel(
      app,
      restorer,
      new LazyWidget(async () => {
        const { createPipelinesView } = await import('./panel');
        return createPipelinesView(services);
      }, trans),
      {
        id: 'jupyter-mlops-pipelines',
        icon: pipelinesIcon,
        caption: trans.__('Pipelines'),
        rank: 620,
        show: {
          command: CommandIDs.openPipelines,
          label: trans.__('Show Pipelines'),
          caption: trans.__(
            'Show the pipelines of the workspace and their runs'
          )
        }
      }
    );

    addPageCommand(app, services, restorer, CommandIDs.openPipelineRun, {
      label: trans.__('Open Pipeline Run'),
      caption: trans.__('Open the page of a pipeline run'),
      icon: pipelinesIcon,
      args: {
        id: trans.__('Pipeline run id'),
        name: trans.__('Name of the pipeline, for the tab')
      },
      prefix: 'jupyter-mlops-pipeline-run',
      describe: name => trans.__('Pipeline run %1', name),
      load: () => import('./run-page'),
      view: (page, workspace, id) =>
        page.createPipelineRunPage(services, workspace, id)
    });

    commands.addCommand(CommandIDs.openExecuted, {
      label: trans.__('Open Executed Notebook'),
      caption: trans.__('Open the notebook of a step as it was executed'),
      icon: pipelinesIcon,
      describedBy: {
        args: describeArgs(
          {
            id: trans.__('Pipeline run id'),
            step: trans.__('Name of the step'),
            workspace: trans.__('Root of its workspace')
          },
          ['id', 'step']
        )
      },
      isEnabled: args => textArg(args, 'id') !== '',
      execute: args =>
        commands.execute('docmanager:open', {
          path: executedPath({
            workspace: textArg(args, 'workspace'),
            run: textArg(args, 'id'),
            step: textArg(args, 'step')
          }),
          factory: 'Notebook'
        })
    });

    /** The file that a start command means: given, else where it was called from. */
    const target = (
      args: ReadonlyPartialJSONObject,
      ending: RegExp
    ): string => {
      const selected = [...(browser?.selectedItems() ?? [])];
      const item = selected.length === 1 ? selected[0] : undefined;
      const notebook = notebooks?.currentWidget?.context.path ?? '';
      const here =
        textArg(args, 'from') === 'browser'
          ? [item?.path ?? '', notebook]
          : [notebook, item?.path ?? ''];
      const candidates = [textArg(args, 'labPath'), ...here];
      return candidates.map(localPath).find(path => ending.test(path)) ?? '';
    };
    const targetArgs = describeArgs({
      path: trans.__('Path in the current workspace'),
      labPath: trans.__(
        'Path in JupyterLab; the selected or open file if left out'
      ),
      from: trans.__('"browser": the selected file is meant, not the open one')
    });

    commands.addCommand(CommandIDs.runPipeline, {
      label: trans.__('Run Pipeline…'),
      caption: trans.__('Run the steps of this pipeline file'),
      icon: runIcon,
      describedBy: { args: targetArgs },
      isEnabled: args =>
        textArg(args, 'path') !== '' || target(args, PIPELINE) !== '',
      execute: args =>
        start(services, textArg(args, 'path'), target(args, PIPELINE))
    });

    commands.addCommand(CommandIDs.runNotebook, {
      label: trans.__('Run as MLOps Job…'),
      caption: trans.__(
        'Run this notebook in the background, with tracking and a snapshot'
      ),
      icon: runIcon,
      describedBy: { args: targetArgs },
      isEnabled: args =>
        textArg(args, 'path') !== '' || target(args, NOTEBOOK) !== '',
      execute: async args => {
        const path = target(args, NOTEBOOK);
        const open = notebooks?.find(
          widget => localPath(widget.context.path) === path
        );
        if (open?.context.model.dirty) {
          // The job runs the file, not what is on the screen.
          await open.context.save();
        }
        await start(services, textArg(args, 'path'), path);
      }
    });

    const category = trans.__('MLOps');
    for (const command of [
      CommandIDs.openPipelines,
      CommandIDs.runPipeline,
      CommandIDs.runNotebook
    ]) {
      palette?.addItem({ command, category });
    }
  }
};

const PIPELINE = /\.pipeline\.ya?ml$/;
const NOTEBOOK = /\.ipynb$/;

/** Start a pipeline or notebook and show its run. */
async function start(
  services: IServices,
  path: string,
  labPath: string
): Promise<void> {
  const { commands, trans, workspaces } = services;
  await attempt(trans, async () => {
    if (workspaces.status !== 'ready') {
      await workspaces.refresh();
    }
    const workspace = workspaces.current;
    const inside = path || workspace?.fromLab(labPath) || '';
    if (!workspace || !inside) {
      throw new MlopsError({
        code: 'not-a-workspace',
        what: trans.__('"%1" is not in a workspace.', path || labPath),
        why: trans.__('There is no mlops.toml in its folder or above.'),
        next: trans.__(
          'Open its folder in the file browser and choose "Make This Folder an MLOps Workspace".'
        )
      });
    }
    const { startPipeline } = await import('./start');
    const run = await startPipeline(workspace, inside, trans);
    if (run) {
      await commands.execute('jupyter-mlops:open-pipeline-run', {
        id: run.id,
        name: run.name,
        workspace: workspace.root
      });
    }
  });
}
