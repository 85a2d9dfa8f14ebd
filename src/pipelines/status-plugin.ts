import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import { CommandIDs } from '../commands';
import { IMlopsServices } from '../components/tokens';
import { ActivityModel } from './activity';
import { ActivityItem } from './status-item';

/** Shows in the status bar that work is under way, while it is. */
export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:status',
  description: 'Shows running pipeline runs in the status bar.',
  autoStart: true,
  requires: [IMlopsServices],
  optional: [IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    services: IMlopsServices,
    statusBar: IStatusBar | null
  ) => {
    if (!statusBar) {
      return;
    }
    const { settings, workspaces, changes, trans } = services;
    const model = new ActivityModel(workspaces, changes);
    const item = new ActivityItem(model, trans, () => {
      void app.commands.execute(CommandIDs.openPipelines);
    });
    const activeChanged = new Signal<object, void>(item);
    model.changed.connect(() => activeChanged.emit());
    settings.changed.connect(() => activeChanged.emit());
    statusBar.registerStatusItem('jupyter-mlops:activity', {
      item,
      align: 'left',
      rank: 50,
      isActive: () => settings.showStatus && model.count > 0,
      activeStateChanged: activeChanged
    });
    // The server announces a workspace's changes once it was asked about it:
    // one request, when Lab has settled.
    void app.restored.then(() => {
      if (settings.showStatus) {
        workspaces.start();
      }
    });
  }
};
