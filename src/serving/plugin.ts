import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { CommandIDs, describeArgs, textArg } from '../commands';
import { endpointIcon } from '../components/icons';
import { LazyWidget } from '../components/lazy';
import { attempt } from '../components/notify';
import { Pages } from '../components/page';
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

    const pages = new Pages(app, trans, restorer, CommandIDs.openEndpoint);
    const workspaceArg = trans.__('Root of its workspace');

    commands.addCommand(CommandIDs.openEndpoint, {
      label: trans.__('Open Endpoint'),
      caption: trans.__('Open the page of an endpoint'),
      icon: endpointIcon,
      describedBy: {
        args: describeArgs(
          {
            name: trans.__('Name of the endpoint'),
            workspace: workspaceArg
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
          id: `jupyter-mlops-endpoint-${root}-${name}`,
          args: { name, workspace: root },
          title: name,
          caption: trans.__('Endpoint %1', name),
          icon: endpointIcon,
          load: async () => {
            const [workspace, page] = await Promise.all([
              workspaces.open(root),
              import('./endpoint-page')
            ]);
            return page.createEndpointPage(services, workspace, name);
          }
        });
      }
    });

    commands.addCommand(CommandIDs.deployModel, {
      label: trans.__('Deploy Model…'),
      caption: trans.__('Put a model version behind an endpoint'),
      icon: endpointIcon,
      describedBy: {
        args: describeArgs(
          {
            model: trans.__('"name/version" or "name@alias"'),
            workspace: workspaceArg
          },
          ['model']
        )
      },
      isEnabled: args => textArg(args, 'model') !== '',
      execute: async args => {
        await attempt(trans, async () => {
          const root =
            typeof args.workspace === 'string'
              ? args.workspace
              : (workspaces.current?.root ?? '');
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
