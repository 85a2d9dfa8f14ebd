import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IThemeManager } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { IChanges } from '../events/tokens';
import { DOMAIN } from '../i18n';
import { IMlopsSettings } from '../settings/tokens';
import { IWorkspaceModel } from '../workspace/tokens';
import { IMlopsServices } from './tokens';

export const servicesPlugin: JupyterFrontEndPlugin<IMlopsServices> = {
  id: 'jupyter-mlops:services',
  description: 'Provides what every view of the MLOps workbench uses.',
  autoStart: true,
  provides: IMlopsServices,
  requires: [IWorkspaceModel, IChanges, IMlopsSettings],
  optional: [ITranslator, IThemeManager],
  activate: (
    app: JupyterFrontEnd,
    workspaces: IWorkspaceModel,
    changes: IChanges,
    settings: IMlopsSettings,
    translator: ITranslator | null,
    themes: IThemeManager | null
  ) => ({
    trans: (translator ?? nullTranslator).load(DOMAIN),
    commands: app.commands,
    workspaces,
    changes,
    settings,
    fileChanged: app.serviceManager.contents.fileChanged,
    themeChanged: themes?.themeChanged ?? null
  })
};
