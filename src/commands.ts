import type {
  ReadonlyJSONObject,
  ReadonlyPartialJSONObject
} from '@lumino/coreutils';
import type { IWorkspaceModel } from './workspace/tokens';

/** The ids of our commands, `jupyter-mlops:verb-noun`. */
export const CommandIDs = {
  openHome: 'jupyter-mlops:open-home',
  makeWorkspace: 'jupyter-mlops:make-workspace',
  openExperiments: 'jupyter-mlops:open-experiments',
  openRunsTable: 'jupyter-mlops:open-runs-table',
  openRun: 'jupyter-mlops:open-run',
  openPipelines: 'jupyter-mlops:open-pipelines',
  openPipelineRun: 'jupyter-mlops:open-pipeline-run',
  openExecuted: 'jupyter-mlops:open-executed-notebook',
  runPipeline: 'jupyter-mlops:run-pipeline',
  runNotebook: 'jupyter-mlops:run-notebook',
  makeCellsPipeline: 'jupyter-mlops:make-cells-pipeline',
  openModels: 'jupyter-mlops:open-models',
  openModel: 'jupyter-mlops:open-model',
  deployModel: 'jupyter-mlops:deploy-model',
  openEndpoint: 'jupyter-mlops:open-endpoint',
  openPath: 'jupyter-mlops:open-path',
  openHistory: 'jupyter-mlops:open-history',
  showOrigin: 'jupyter-mlops:show-origin',
  showCell: 'jupyter-mlops:show-cell',
  restoreRun: 'jupyter-mlops:restore-run',
  verifyRun: 'jupyter-mlops:verify-run',
  compareVersions: 'jupyter-mlops:compare-versions',
  undoCell: 'jupyter-mlops:undo-cell',
  runStale: 'jupyter-mlops:run-stale',
  runNeeded: 'jupyter-mlops:run-needed',
  showSlice: 'jupyter-mlops:show-slice',
  clearSlice: 'jupyter-mlops:clear-slice',
  explainCell: 'jupyter-mlops:explain-cell',
  nextMarked: 'jupyter-mlops:next-marked-cell'
} as const;

/** JSON schema of a command's arguments: strings by name, all optional unless `required`. */
export function describeArgs(
  properties: Readonly<Record<string, string>> = {},
  required: readonly string[] = []
): ReadonlyJSONObject {
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, description]) => [
        name,
        { type: 'string', description }
      ])
    ),
    required: [...required]
  };
}

/** An argument as text; empty: not given. */
export function textArg(args: ReadonlyPartialJSONObject, name: string): string {
  const value = args[name];
  return typeof value === 'string' ? value : '';
}

/** The root of the workspace that is meant: the one that is given (it may be empty), else the current one. */
export function rootArg(
  args: ReadonlyPartialJSONObject,
  workspaces: Pick<IWorkspaceModel, 'current'>
): string {
  return typeof args.workspace === 'string'
    ? args.workspace
    : (workspaces.current?.root ?? '');
}
