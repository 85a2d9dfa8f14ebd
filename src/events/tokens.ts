import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

/** What a change is about; the same words as in `jupyter_mlops/events.py`. */
export type Topic =
  | 'workspace'
  | 'run'
  | 'pipeline_run'
  | 'step_run'
  | 'model'
  | 'endpoint'
  | 'worker'
  | 'snapshot'
  | 'notebook'
  | 'cell_execution';

export type Action = 'created' | 'updated' | 'deleted' | 'progress';

/** One change of something that a person can see: what changed, not the new state. */
export interface IChange {
  /** Folder of the workspace, below the server's root. */
  readonly workspace: string;
  readonly topic: Topic;
  /** The thing within its topic: a run id, `<pipeline run>/<step>`, a model's name. */
  readonly key: string;
  readonly action: Action;
  /** Position in the workspace's sequence of changes. */
  readonly seq: number;
  /** Small facts that save a request. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The changes that the server announces. */
export interface IChanges {
  /** Emitted for each change. */
  readonly changed: ISignal<IChanges, IChange>;

  /**
   * Emitted when changes may have been missed (the connection was gone, the
   * computer slept): whatever is shown has to be asked for again.
   */
  readonly missed: ISignal<IChanges, void>;
}

export const IChanges = new Token<IChanges>(
  'jupyter-mlops:IChanges',
  'Changes of runs, pipelines, models and endpoints, as the server announces them.'
);
