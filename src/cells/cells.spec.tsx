import { cleanup, fireEvent, screen, waitFor } from '@testing-library/react';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer, problem, readyKit, type IKit } from '../testing/kit';
import { noTranslation } from '../i18n';
import { Bar } from './bar';
import { Gutter } from './gutter';
import { markOf, SHAPES } from './mark';
import type { ICell, INotebookView } from './notebook-view';
import { Popup } from './popup';
import { Runner } from './runner';
import { SliceModel } from './slice-model';
import { StandingsModel } from './standings-model';
import type { CellStanding, CellStandings, LiveSlice } from './types';

vi.mock('@jupyterlab/notebook', () => ({ NotebookActions: {} }));

function standing(fields: Partial<CellStanding> = {}): CellStanding {
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

function standings(fields: Partial<CellStandings> = {}): CellStandings {
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
class FakeNotebook implements INotebookView {
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

const STATES = '/cells/live/states';

afterEach(() => {
  cleanup();
  document.body.replaceChildren();
});

describe('a mark', () => {
  const trans = noTranslation();

  it.each([
    ['failed', { state: 'failed', reasons: ['NameError'] }],
    ['hidden', { state: 'stale', hidden: ['it reads df'], edited: true }],
    ['edited', { state: 'stale', edited: true }],
    ['stale', { state: 'stale', reasons: ['a was changed'] }],
    ['never', { state: 'never run' }],
    ['fresh', {}]
  ] as [string, Partial<CellStanding>][])(
    'is %s, by shape and in words',
    (kind, fields) => {
      const mark = markOf(standing(fields), trans);
      expect(mark.kind).toBe(kind);
      expect(mark.label).toContain(mark.title);
      for (const line of [
        ...(fields.reasons ?? []),
        ...(fields.hidden ?? [])
      ]) {
        expect(mark.label).toContain(line);
      }
    }
  );

  it('differs from every other one in shape', () => {
    expect(new Set(Object.values(SHAPES)).size).toBe(6);
  });
});

describe('how cells stand', () => {
  let server: FakeServer;
  let kit: IKit;
  let view: FakeNotebook;
  let model: StandingsModel;
  let answer: CellStandings;

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    server = new FakeServer();
    answer = standings();
    server.on('POST', STATES, () => answer);
    kit = await readyKit();
    view = new FakeNotebook();
    model = new StandingsModel(kit, view);
    await vi.advanceTimersByTimeAsync(10);
  });

  afterEach(() => {
    model.dispose();
    vi.useRealTimers();
  });

  const asked = () => server.count(`POST ${STATES}`);

  it('is asked for with what is on the screen', () => {
    expect(server.bodies.at(-1)).toEqual({
      kernel: 'k',
      cells: view.code,
      only: []
    });
    expect(model.recorded).toBe(true);
    expect(model.path).toBe('train.ipynb');
  });

  it('is asked for once after a person has typed, and not for output', async () => {
    for (let n = 0; n < 20; n++) {
      view.type(0, `x = ${n}`);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(asked()).toBe(1);
    await vi.advanceTimersByTimeAsync(700);
    expect(asked()).toBe(2);
    view.edited.emit(); // the sources are the same
    await vi.advanceTimersByTimeAsync(700);
    expect(asked()).toBe(2);
    view.ran.emit();
    for (let n = 0; n < 20_000; n++) {
      view.edited.emit(); // the output of what runs
    }
    await vi.advanceTimersByTimeAsync(200);
    expect(asked()).toBe(3);
  });

  it('waits while nobody can see the notebook', async () => {
    view.isVisible = false;
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toBe(1);
    view.isVisible = true;
    model.seen();
    await vi.advanceTimersByTimeAsync(10);
    expect(asked()).toBe(2);
  });

  it('of a kernel that is not recorded is asked for after executions alone', async () => {
    answer = standings({ recorded: false, cells: [], order: [] });
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(model.recorded).toBe(false);
    view.type(0, 'y = 1');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toBe(2);
    answer = standings();
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(model.recorded).toBe(true);
  });

  it('is forgotten when the kernel begins anew, or the server is away', async () => {
    view.restarted.emit();
    expect(model.standings).toBeNull();
    await vi.advanceTimersByTimeAsync(2000);
    expect(model.standings).not.toBeNull();
    server.on('POST', STATES, () => problem(500, { code: 'http-500' }));
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(model.standings).toBeNull();
  });

  it('is not asked for without a kernel, and needs a workspace', async () => {
    view.kernel = '';
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(asked()).toBe(1);
    const elsewhere = new FakeNotebook();
    elsewhere.path = 'other/train.ipynb';
    const other = new StandingsModel(kit, elsewhere);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked()).toBe(1);
    expect(() => other.required).toThrow('in no workspace');
    other.dispose();
  });

  it('is drawn beside the cells, and taken away by the setting', async () => {
    const widgets = view.code.map(({ id, source }) => {
      const node = document.createElement('div');
      document.body.append(node);
      return { node, model: { id, sharedModel: { getSource: () => source } } };
    });
    const opened: string[] = [];
    const gutter = new Gutter(
      model,
      () => widgets as any,
      kit.settings,
      kit.trans,
      cell => opened.push(cell)
    );
    const marks = () => screen.queryAllByRole('button');
    expect(marks().map(mark => mark.dataset.kind)).toEqual(['fresh', 'stale']);
    expect(marks()[1]?.getAttribute('aria-label')).toMatch(/^Stale/);
    fireEvent.click(marks()[1]!);
    expect(opened).toEqual(['c2']);
    answer = standings({ cells: [standing({ cell_id: 'c2' })] });
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(marks().map(mark => mark.dataset.kind)).toEqual(['fresh']);
    kit.settings.connect({
      composite: { showMarks: false },
      changed: new Signal({})
    } as any);
    expect(marks()).toEqual([]);
    gutter.dispose();
  });
});

describe('running what is stale', () => {
  let view: FakeNotebook;
  let orders: string[][];
  let runner: Runner;

  beforeEach(() => {
    view = new FakeNotebook();
    orders = [];
    runner = new Runner(view, {
      ask: async () => standings({ order: orders.shift() ?? [] })
    });
  });

  it('runs in order, and leaves out what turns out to be up to date', async () => {
    const said: string[] = [];
    runner.changed.connect(() => {
      said.push(runner.state ? runner.state.left.join() : 'end');
    });
    orders = [['c3']];
    expect(await runner.run(['c1', 'c2', 'c3'])).toBe('done');
    expect(view.runs).toEqual(['c1', 'c3']);
    expect(said).toEqual(['1,2,3', '3', 'end']);
  });

  it('stops at the first cell that fails', async () => {
    view.outcome = async cell => cell !== 'c2';
    orders = [['c2', 'c3']];
    expect(await runner.run(['c1', 'c2', 'c3'])).toBe('failed');
    expect([view.runs, runner.stoppedAt]).toEqual([['c1', 'c2'], 'c2']);
  });

  it('is cancelled: the cell that runs is interrupted, no other begins', async () => {
    view.outcome = async () => {
      await runner.cancel();
      return false;
    };
    expect(await runner.run(['c1', 'c2'])).toBe('cancelled');
    expect([view.runs, view.interrupted]).toEqual([['c1'], 1]);
    expect(runner.state).toBeNull();
  });

  it('ends where a cell is stale however often it runs', async () => {
    orders = [['c1'], ['c1'], ['c1'], ['c1']];
    expect(await runner.run(['c1'])).toBe('unsettled');
    expect(view.runs).toEqual(['c1', 'c1']);
  });

  it('of one cell ends with it', async () => {
    orders = [['c2'], ['c9']];
    expect(await runner.run(['c1', 'c2'], 'c2')).toBe('done');
    expect(view.runs).toEqual(['c1', 'c2']);
  });
});

describe('the bar above the notebook', () => {
  it('says what runs, and what then, and cancels', async () => {
    vi.stubGlobal(
      'ResizeObserver',
      class {
        observe() {}
        disconnect() {}
      }
    );
    const kit = await readyKitWithServer();
    const view = new FakeNotebook();
    let cancelled = 0;
    view.outcome = () => new Promise(() => undefined);
    const runner = new Runner(view, { ask: async () => standings() });
    const bar = new Bar({
      services: kit,
      runner,
      slice: new SliceModel(new StandingsModel(kit, view)),
      onCancel: () => (cancelled += 1),
      onCopy: () => undefined,
      onTest: () => undefined,
      onClose: () => undefined
    });
    Widget.attach(bar, document.body);
    expect(bar.isHidden).toBe(true);
    void runner.run(['c1', 'c3', 'c2']);
    expect(bar.isHidden).toBe(false);
    const said = await screen.findByText('Running cell 1 (1 of 3)');
    expect(said.parentElement?.textContent).toContain('then 3, 2');
    fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    expect(cancelled).toBe(1);
    bar.dispose();
    vi.unstubAllGlobals();
  });
});

describe('a slice', () => {
  const part = (cell_id: string, cell = 'unchanged') => ({
    execution: `e-${cell_id}`,
    cell_id,
    count: 1,
    title: 'x',
    why: ['it made x'],
    cell
  });

  it('is shown in the order of the notebook, walked through, tested and copied', async () => {
    const server = new FakeServer();
    server.on('POST', STATES, () => standings());
    server.on(
      'POST',
      '/cells/live/slice',
      () =>
        ({
          kind: 'variable',
          name: 'x',
          session: 's',
          recorded: 9,
          cells: [part('c3'), part('c1'), part('gone', 'deleted')],
          notes: []
        }) as LiveSlice
    );
    const states = ['running', 'done'];
    server.on('POST', '/cells/live/slice/check', () => ({
      state: states.shift(),
      result: 'equal',
      text: 'Run alone it gives the same.'
    }));
    server.on('POST', '/cells/live/slice/copy', () => ({
      path: 'train-x.ipynb'
    }));
    const view = new FakeNotebook();
    const model = new StandingsModel(await readyKit(), view);
    const slice = new SliceModel(model);
    await slice.show('x');
    expect(slice.cells).toEqual(['c1', 'c3']);
    expect(server.bodies.at(-1)).toMatchObject({
      kernel: 'k',
      notebook: 'train.ipynb',
      name: 'x'
    });
    await slice.go(1);
    await slice.go(1);
    await slice.go(1);
    await slice.go(-1);
    expect(view.revealed).toEqual(['c1', 'c3', 'c1', 'c3']);
    await slice.test();
    expect(slice.check?.result).toBe('equal');
    expect(await slice.copy()).toBe('train-x.ipynb');
    slice.clear();
    expect([slice.slice, slice.cells]).toEqual([null, []]);
    model.dispose();
  });

  it('that is not there is an error to be shown', async () => {
    const server = new FakeServer();
    server.on('POST', STATES, () => standings());
    server.on('POST', '/cells/live/slice', () =>
      problem(404, { code: 'not-found', what: 'Nothing is called y.' })
    );
    const model = new StandingsModel(await readyKit(), new FakeNotebook());
    await expect(new SliceModel(model).show('y')).rejects.toThrow(
      'Nothing is called y.'
    );
    model.dispose();
  });
});

describe('why a cell is marked', () => {
  it('is said beside it, closed by Escape, with the focus where it was', async () => {
    const kit = await readyKitWithServer();
    const back = document.createElement('button');
    document.body.append(back);
    const ran: string[] = [];
    const open = () => {
      const popup = new Popup({
        services: kit,
        mark: markOf(
          standing({ state: 'stale', hidden: ['it reads df'] }),
          kit.trans
        ),
        stale: 3,
        onRunNeeded: () => ran.push('needed'),
        onRunStale: () => ran.push('stale')
      });
      popup.open(back, back);
    };
    open();
    const dialog = await screen.findByRole('dialog', {
      name: 'Relies on hidden state'
    });
    await waitFor(() => expect(document.activeElement).toBe(dialog));
    expect(dialog.textContent).toContain('it reads df');
    expect(dialog.textContent).toContain('will not after a restart');
    fireEvent.keyDown(dialog, { key: 'Escape' });
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(document.activeElement).toBe(back);
    open();
    fireEvent.click(
      await screen.findByRole('button', { name: 'Run What Is Stale (3 cells)' })
    );
    expect(ran).toEqual(['stale']);
    expect(screen.queryByRole('dialog')).toBeNull();
  });
});

async function readyKitWithServer(): Promise<IKit> {
  new FakeServer();
  return readyKit();
}
