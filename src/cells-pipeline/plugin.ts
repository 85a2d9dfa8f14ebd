import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { MlopsError } from '../api/errors';
import { CommandIDs, describeArgs, textArg } from '../commands';
import { pipelinesIcon } from '../components/icons';
import { attempt } from '../components/notify';
import { Pages } from '../components/page';
import { IMlopsServices } from '../components/tokens';
import { localPath } from '../workspace/paths';

/** The command that makes a pipeline from a notebook's cells, and its page. */
export const cellsPipelinePlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:cells-pipeline',
  description: 'Makes pipelines from the cells of a notebook.',
  autoStart: true,
  requires: [IMlopsServices],
  optional: [
    ILayoutRestorer,
    ICommandPalette,
    IDefaultFileBrowser,
    INotebookTracker
  ],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null,
    notebooks: INotebookTracker | null
  ) => {
    const { trans, workspaces } = services;
    const command = CommandIDs.makeCellsPipeline;
    const pages = new Pages(app, trans, restorer, command);

    const selected = (): string => {
      const items = [...(browser?.selectedItems() ?? [])];
      return items.length === 1 ? (items[0]?.path ?? '') : '';
    };
    const target = (from: string): string => {
      const open = notebooks?.currentWidget?.context.path ?? '';
      const places =
        from === 'browser' ? [selected(), open] : [open, selected()];
      return places.map(localPath).find(path => path.endsWith('.ipynb')) ?? '';
    };

    app.commands.addCommand(command, {
      label: trans.__('Make Pipeline from Cells…'),
      caption: trans.__(
        'Propose steps from the cells of this notebook, and write them as a pipeline'
      ),
      icon: pipelinesIcon,
      describedBy: {
        args: describeArgs({
          notebook: trans.__('Path in the workspace'),
          workspace: trans.__('Root of its workspace'),
          from: trans.__(
            '"browser": the selected file is meant, not the open one'
          )
        })
      },
      isEnabled: args =>
        textArg(args, 'notebook') !== '' ||
        target(textArg(args, 'from')) !== '',
      execute: args =>
        attempt(trans, async () => {
          let notebook = textArg(args, 'notebook');
          let root = textArg(args, 'workspace');
          if (!notebook) {
            const path = target(textArg(args, 'from'));
            const open = notebooks?.find(
              widget => localPath(widget.context.path) === path
            );
            if (open?.context.model.dirty) {
              // The cells are read from the file, not from the screen.
              await open.context.save();
            }
            if (workspaces.status !== 'ready') {
              await workspaces.refresh();
            }
            notebook = workspaces.current?.fromLab(path) ?? '';
            root = workspaces.current?.root ?? '';
            if (!notebook) {
              throw new MlopsError({
                code: 'not-a-workspace',
                what: trans.__('"%1" is not in a workspace.', path),
                why: trans.__('There is no mlops.toml in its folder or above.'),
                next: trans.__(
                  'Open its folder in the file browser and choose "Make This Folder an MLOps Workspace".'
                )
              });
            }
          }
          pages.open({
            id: `jupyter-mlops-cells-pipeline-${root}-${notebook}`,
            args: { notebook, workspace: root },
            title: trans.__('Pipeline from cells'),
            caption: trans.__('Pipeline from the cells of %1', notebook),
            icon: pipelinesIcon,
            load: async () => {
              const [workspace, page] = await Promise.all([
                workspaces.open(root),
                import('./page')
              ]);
              return page.createCellsPipelinePage(
                services,
                workspace,
                notebook
              );
            }
          });
        })
    });
    palette?.addItem({ command, category: trans.__('MLOps') });
  }
};
