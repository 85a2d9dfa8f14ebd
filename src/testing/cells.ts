import { Signal } from '@lumino/signaling';
import type { ICell, INotebookView } from '../cells/notebook-view';
import type { CellStanding, CellStandings } from '../cells/types';

/** How a cell stands. */
export function standing(fields: Partial<CellStanding> = {}): CellStanding {
  return {
    cell_id: 'c1',
    state: 'fresh',
    edited: false,
    reasons: [],
    hidden: [],
    execution: 'e1',
    count: 1,
    ...fields
  };
}

/** How the cells of a notebook stand. */
export function standings(fields: Partial<CellStandings> = {}): CellStandings {
  return {
    recorded: true,
    why: '',
    next: '',
    startable: false,
    session: 's',
    cells: [standing(), standing({ cell_id: 'c2', state: 'stale' })],
    order: ['c2'],
    leftovers: [],
    names: ['a', 'b'],
    ...fields
  };
}

/** An open notebook with three cells. */
export class FakeNotebook implements INotebookView {
  path = 'flights/train.ipynb';
  kernel = 'k';
  isVisible = true;
  code: ICell[] = ['c1', 'c2', 'c3'].map((id, n) => ({
    id,
    source: `x = ${n}`
  }));
  readonly edited = new Signal<this, void>(this);
  readonly ran = new Signal<this, void>(this);
  readonly restarted = new Signal<this, void>(this);
  readonly runs: string[] = [];
  readonly revealed: string[] = [];
  interrupted = 0;
  outcome: (cell: string) => Promise<boolean> = async () => true;

  cells(): ICell[] {
    return this.code;
  }

  async run(cell: string): Promise<boolean> {
    this.runs.push(cell);
    return this.outcome(cell);
  }

  async interrupt(): Promise<void> {
    this.interrupted += 1;
  }

  async reveal(cell: string): Promise<boolean> {
    this.revealed.push(cell);
    return true;
  }

  type(cell: number, source: string): void {
    this.code = this.code.map((each, n) =>
      n === cell ? { ...each, source } : each
    );
    this.edited.emit();
  }
}
