import type { ListedExecution } from '../history/types';

/** A cell's execution as the server tells it. */
export function execution(
  count: number,
  fields: Partial<ListedExecution> = {}
): ListedExecution {
  return {
    id: `e${count}`,
    session: 'kernel',
    sequence: count,
    notebook: 'train.ipynb',
    cell_id: `cell${count}`,
    count,
    title: `step_${count}()`,
    status: 'succeeded',
    started_at: 1_795_000_000 + count,
    seconds: 1.25,
    error: '',
    reads: {},
    written: [],
    changed: [],
    deleted: [],
    files_read: {},
    files_written: {},
    data: {},
    runs: [],
    key: '',
    incomplete: '',
    restored: '',
    pipeline_run_id: '',
    step: '',
    attempt: 1,
    left: false,
    ...fields
  };
}
