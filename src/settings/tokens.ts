import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

/** The person's settings, with the defaults of `schema/plugin.json`. */
export interface IMlopsSettings {
  readonly changed: ISignal<IMlopsSettings, void>;
  /** Rows asked for at a time. */
  readonly pageSize: number;
  /** Metrics shown as columns of the runs table; empty: the first few there are. */
  readonly metrics: readonly string[];
  /** Parameters shown as columns of the runs table. */
  readonly params: readonly string[];
  /** Whether running work shows in the status bar. */
  readonly showStatus: boolean;
  /** Whether cells are marked as stale, failed, … beside their prompts. */
  readonly showMarks: boolean;
  /** Keep the columns that the person chose. */
  setColumns(
    metrics: readonly string[],
    params: readonly string[]
  ): Promise<void>;
}

export const IMlopsSettings = new Token<IMlopsSettings>(
  'jupyter-mlops:IMlopsSettings',
  'Settings of the MLOps workbench.'
);
