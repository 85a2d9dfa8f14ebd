import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { Panel } from '@lumino/widgets';
import { CommandIDs, describeArgs, textArg } from '../commands';
import { modelsIcon } from '../components/icons';
import { LazyWidget } from '../components/lazy';
import { Pages } from '../components/page';
import { IMlopsServices } from '../components/tokens';
import { IModelsPanel } from './tokens';

/** The Models panel and the page of a model. */
export const registryPlugin: JupyterFrontEndPlugin<IModelsPanel> = {
  id: 'jupyter-mlops:registry',
  description: 'Adds the Models panel and the page of a registered model.',
  autoStart: true,
  provides: IModelsPanel,
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

    const panel = new Panel();
    panel.addClass('jp-mlops-Stack');
    panel.id = 'jupyter-mlops-models';
    panel.title.icon = modelsIcon;
    panel.title.caption = trans.__('Models');
    panel.node.setAttribute('role', 'region');
    panel.node.setAttribute('aria-label', trans.__('Models'));
    panel.addWidget(
      new LazyWidget(async () => {
        const { createModelsView } = await import('./panel');
        return createModelsView(services);
      }, trans)
    );
    app.shell.add(panel, 'left', { rank: 630, type: 'MLOps' });
    restorer?.add(panel, panel.id);

    const pages = new Pages(app, trans, restorer, CommandIDs.openModel);

    commands.addCommand(CommandIDs.openModels, {
      label: trans.__('Show Models'),
      caption: trans.__('Show the registered models and their endpoints'),
      icon: modelsIcon,
      describedBy: { args: describeArgs() },
      execute: () => app.shell.activateById(panel.id)
    });

    commands.addCommand(CommandIDs.openModel, {
      label: trans.__('Open Model'),
      caption: trans.__('Open the page of a registered model'),
      icon: modelsIcon,
      describedBy: {
        args: describeArgs(
          {
            name: trans.__('Name of the registered model'),
            workspace: trans.__('Root of its workspace')
          },
          ['name']
        )
      },
      isEnabled: args => textArg(args, 'name') !== '',
      execute: args => {
        const name = textArg(args, 'name');
        const root =
          typeof args.workspace === 'string'
            ? args.workspace
            : (workspaces.current?.root ?? '');
        pages.open({
          id: `jupyter-mlops-model-${root}-${name}`,
          args: { name, workspace: root },
          title: name,
          caption: trans.__('Model %1', name),
          icon: modelsIcon,
          load: async () => {
            const [workspace, page] = await Promise.all([
              workspaces.open(root),
              import('./model-page')
            ]);
            return page.createModelPage(services, workspace, name);
          }
        });
      }
    });

    palette?.addItem({
      command: CommandIDs.openModels,
      category: trans.__('MLOps')
    });
    return { addSection: widget => panel.addWidget(widget) };
  }
};
