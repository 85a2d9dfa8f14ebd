import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { apiPlugin } from './api/plugin';
import { cellsPlugin } from './cells/plugin';
import { cellsPipelinePlugin } from './cells-pipeline/plugin';
import { servicesPlugin } from './components/plugin';
import { eventsPlugin } from './events/plugin';
import { historyPlugin } from './history/plugin';
import { pipelinesPlugin } from './pipelines/plugin';
import { statusPlugin } from './pipelines/status-plugin';
import { provenancePlugin } from './provenance/plugin';
import { registryPlugin } from './registry/plugin';
import { servingPlugin } from './serving/plugin';
import { settingsPlugin } from './settings/plugin';
import { trackingPlugin } from './tracking/plugin';
import { homePlugin } from './workspace/home-plugin';
import { workspacePlugin } from './workspace/plugin';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  apiPlugin,
  eventsPlugin,
  settingsPlugin,
  workspacePlugin,
  servicesPlugin,
  homePlugin,
  trackingPlugin,
  pipelinesPlugin,
  cellsPipelinePlugin,
  statusPlugin,
  historyPlugin,
  provenancePlugin,
  cellsPlugin,
  registryPlugin,
  servingPlugin
];

export default plugins;
