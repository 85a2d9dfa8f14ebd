import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandIDs } from '../commands';
import type { Linked } from './types';

/** The command that opens the page of something that a cell led to, and its arguments; undefined: it has none. */
export function pageOf({
  kind,
  key,
  label
}: Linked): [string, Record<string, string>] | undefined {
  switch (kind) {
    case 'run':
      return [CommandIDs.openRun, { id: key, name: label }];
    case 'model_version':
      return [
        CommandIDs.openModel,
        { name: key.slice(0, key.lastIndexOf('/')) }
      ];
    case 'endpoint':
      return [CommandIDs.openEndpoint, { name: key }];
    case 'pipeline_run':
      return [CommandIDs.openPipelineRun, { id: key }];
    default:
      return undefined;
  }
}

/** What something is called, with its kind. */
export function nameOf(
  { kind, label }: Linked,
  trans: TranslationBundle
): string {
  switch (kind) {
    case 'run':
      return trans.__('run %1', label);
    case 'model_version':
      return trans.__('model %1', label);
    case 'endpoint':
      return trans.__('endpoint %1', label);
    case 'pipeline_run':
      return trans.__('pipeline run %1', label);
    case 'dataset':
      return trans.__('dataset %1', label);
    default:
      return label;
  }
}
