import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
// Registers the icon by its name, which the schema uses.
import '../components/icons';
import { MlopsSettings } from './model';
import { IMlopsSettings } from './tokens';

/** The plugin that `schema/plugin.json` belongs to: settings, context menus. */
export const settingsPlugin: JupyterFrontEndPlugin<IMlopsSettings> = {
  id: 'jupyter-mlops:plugin',
  description: 'Provides the settings of the MLOps workbench.',
  autoStart: true,
  provides: IMlopsSettings,
  optional: [ISettingRegistry],
  activate: (_: JupyterFrontEnd, registry: ISettingRegistry | null) => {
    const settings = new MlopsSettings();
    registry
      ?.load(settingsPlugin.id)
      .then(loaded => settings.connect(loaded))
      .catch((reason: unknown) => {
        console.error('The settings of jupyter-mlops did not load.', reason);
      });
    return settings;
  }
};
