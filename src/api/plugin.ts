import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { DOMAIN } from '../i18n';
import { ApiClient } from './client';
import { IApiClient } from './tokens';

export const apiPlugin: JupyterFrontEndPlugin<IApiClient> = {
  id: 'jupyter-mlops:api',
  description: 'Provides the typed client of the server extension.',
  autoStart: true,
  provides: IApiClient,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) =>
    new ApiClient(
      app.serviceManager.serverSettings,
      (translator ?? nullTranslator).load(DOMAIN)
    )
};
