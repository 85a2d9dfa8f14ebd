import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { IWorkspace } from '../workspace/tokens';
import type { ExecutionOrigin } from './types';

const MOST_KEPT = 200;

/** One output of a cell, as the notebook has it. */
export interface IOutput {
  readonly type: string;
  readonly metadata: ReadonlyPartialJSONObject;
}

/** The execution that made an output; empty: none was recorded. */
export function executionOf(output: IOutput): string {
  const noted = output.metadata['mlops'];
  const execution =
    typeof noted === 'object' && noted !== null
      ? (noted as ReadonlyPartialJSONObject)['execution']
      : undefined;
  return typeof execution === 'string' ? execution : '';
}

/** Whether an output is a plot, a table or a value: not printed text, not an error. */
export function isResult(output: IOutput): boolean {
  return output.type === 'display_data' || output.type === 'execute_result';
}

/** What outputs were made of, asked for once each. An execution that has ended never changes. */
export class Origins {
  constructor(readonly workspace: IWorkspace) {}

  /** Rejects with an `MlopsError`. */
  get(execution: string): Promise<ExecutionOrigin> {
    let found = this._known.get(execution);
    if (!found) {
      found = this.workspace.client.get(
        '/cells/executions/{execution}/origin',
        { path: { execution } }
      );
      this._known.set(execution, found);
      found.then(
        origin => {
          if (origin.execution.status === 'running') {
            this._known.delete(execution);
          }
        },
        () => this._known.delete(execution)
      );
      const oldest = this._known.keys().next().value;
      if (this._known.size > MOST_KEPT && oldest !== undefined) {
        this._known.delete(oldest);
      }
    }
    return found;
  }

  /** Ask again: what came of executions may have changed. */
  forget(): void {
    this._known.clear();
  }

  private _known = new Map<string, Promise<ExecutionOrigin>>();
}
