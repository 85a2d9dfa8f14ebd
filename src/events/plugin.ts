import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IApiClient } from '../api/tokens';
import { Reconnector } from './reconnect';
import { ChangeStream } from './stream';
import { IChanges } from './tokens';

export const eventsPlugin: JupyterFrontEndPlugin<IChanges> = {
  id: 'jupyter-mlops:events',
  description: 'Provides the changes that the server announces.',
  autoStart: true,
  provides: IChanges,
  requires: [IApiClient],
  activate: (app: JupyterFrontEnd, api: IApiClient) => {
    const { serviceManager } = app;
    const changes = new ChangeStream(serviceManager.events.stream);
    const reconnector = new Reconnector(
      () => api.get('/health', {}),
      changes.announceMissed
    );
    serviceManager.connectionFailure.connect(reconnector.connectionFailed);
    return changes;
  }
};
