import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { Panel } from '@lumino/widgets';
import { CommandIDs } from '../commands';
import { modelsIcon } from '../components/icons';
import { LazyWidget } from '../components/lazy';
import { addPageCommand } from '../components/page';
import { addPanel } from '../components/panel';
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
    const { trans } = services;

    const panel = new Panel();
    panel.addClass('jp-mlops-Stack');
    panel.addWidget(
      new LazyWidget(async () => {
        const { createModelsView } = await import('./panel');
        return createModelsView(services);
      }, trans)
    );
    addPanel(app, restorer, panel, {
      id: 'jupyter-mlops-models',
      icon: modelsIcon,
      caption: trans.__('Models'),
      rank: 630,
      show: {
        command: CommandIDs.openModels,
        label: trans.__('Show Models'),
        caption: trans.__('Show the registered models and their endpoints')
      }
    });

    addPageCommand(app, services, restorer, CommandIDs.openModel, {
      label: trans.__('Open Model'),
      caption: trans.__('Open the page of a registered model'),
      icon: modelsIcon,
      args: { name: trans.__('Name of the registered model') },
      prefix: 'jupyter-mlops-model',
      describe: name => trans.__('Model %1', name),
      load: () => import('./model-page'),
      view: (page, workspace, name) =>
        page.createModelPage(services, workspace, name)
    });

    palette?.addItem({
      command: CommandIDs.openModels,
      category: trans.__('MLOps')
    });
    return { addSection: widget => panel.addWidget(widget) };
  }
};
