import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { CommandIDs, describeArgs, rootArg, textArg } from '../commands';
import { endpointIcon } from '../components/icons';
import { LazyWidget } from '../components/lazy';
import { attempt } from '../components/notify';
import { addPageCommand } from '../components/page';
import { IMlopsServices } from '../components/tokens';
import { IModelsPanel } from '../registry/tokens';

/** Endpoints: their section of the Models panel, their page, and deploying. */
export const servingPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:serving',
  description: 'Adds endpoints: their list, their page, and deploying a model.',
  autoStart: true,
  requires: [IMlopsServices],
  optional: [IModelsPanel, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    models: IModelsPanel | null,
    restorer: ILayoutRestorer | null
  ) => {
    const { trans, workspaces } = services;
    const { commands } = app;

    models?.addSection(
      new LazyWidget(async () => {
        const { createEndpointsSection } = await import('./endpoints-section');
        return createEndpointsSection(services);
      }, trans)
    );

    addPageCommand(app, services, restorer, CommandIDs.openEndpoint, {
      label: trans.__('Open Endpoint'),
      caption: trans.__('Open the page of an endpoint'),
      icon: endpointIcon,
      args: { name: trans.__('Name of the endpoint') },
      prefix: 'jupyter-mlops-endpoint',
      describe: name => trans.__('Endpoint %1', name),
      load: () => import('./endpoint-page'),
      view: (page, workspace, name) =>
        page.createEndpointPage(services, workspace, name)
    });

    commands.addCommand(CommandIDs.deployModel, {
      label: trans.__('Deploy Model…'),
      caption: trans.__('Put a model version behind an endpoint'),
      icon: endpointIcon,
      describedBy: {
        args: describeArgs(
          {
            model: trans.__('"name/version" or "name@alias"'),
            workspace: trans.__('Root of its workspace')
          },
          ['model']
        )
      },
      isEnabled: args => textArg(args, 'model') !== '',
      execute: async args => {
        await attempt(trans, async () => {
          const root = rootArg(args, workspaces);
          const [workspace, { deployModel }] = await Promise.all([
            workspaces.open(root),
            import('./deploy')
          ]);
          const endpoint = await deployModel(
            workspace,
            textArg(args, 'model'),
            trans
          );
          if (endpoint) {
            await commands.execute(CommandIDs.openEndpoint, {
              name: endpoint.name,
              workspace: root
            });
          }
        });
      }
    });
  }
};
