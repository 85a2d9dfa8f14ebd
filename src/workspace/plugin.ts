import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { checkVersions } from '../api/handshake';
import { IApiClient } from '../api/tokens';
import { notifyError } from '../components/notify';
import { IChanges } from '../events/tokens';
import { DOMAIN } from '../i18n';
import { followLocation } from './location';
import { WorkspaceModel } from './model';
import { IWorkspaceModel } from './tokens';

export const workspacePlugin: JupyterFrontEndPlugin<IWorkspaceModel> = {
  id: 'jupyter-mlops:workspace',
  description: 'Provides the workspace that the person is in.',
  autoStart: true,
  provides: IWorkspaceModel,
  requires: [IApiClient, IChanges],
  optional: [IDefaultFileBrowser, INotebookTracker, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    api: IApiClient,
    changes: IChanges,
    browser: IDefaultFileBrowser | null,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const model = new WorkspaceModel(api, changes, trans);
    followLocation(model, browser, notebooks);

    // The handshake waits for the first answer: no request before a panel is seen.
    const shakeHands = () => {
      if (model.status === 'idle' || model.status === 'loading') {
        return;
      }
      model.changed.disconnect(shakeHands);
      if (model.status !== 'failed') {
        checkVersions(api, trans).catch((reason: unknown) =>
          notifyError(reason, trans)
        );
      }
    };
    model.changed.connect(shakeHands);
    return model;
  }
};
