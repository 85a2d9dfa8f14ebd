import { cleanup, fireEvent, screen, waitFor } from '@testing-library/react';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeNotebook, standing, standings } from '../testing/cells';
import { FakeServer, problem, readyKit, type IKit } from '../testing/kit';
import { Bar } from './bar';
import { markOf } from './mark';
import { Runner } from './runner';
import { SliceModel } from './slice-model';
import { StandingsModel } from './standings-model';
import type { LiveSlice } from './types';
import { whyPopup } from './why';

vi.mock('@jupyterlab/notebook', () => ({ NotebookActions: {} }));

const STATES = '/cells/live/states';

afterEach(() => {
  cleanup();
  document.body.replaceChildren();
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

  it('is that of the last question, whichever answer comes last', async () => {
    const server = new FakeServer();
    server.on('POST', STATES, () => standings());
    let first = () => undefined as void;
    server.on('POST', '/cells/live/slice', ({ body }) => {
      const { name } = body as { name: string };
      const answer = { name, cells: [part('c1')], notes: [], recorded: 1 };
      return name === 'slow'
        ? new Promise(resolve => (first = () => resolve(answer)))
        : answer;
    });
    const model = new StandingsModel(await readyKit(), new FakeNotebook());
    const slice = new SliceModel(model);
    const slow = slice.show('slow');
    await vi.waitFor(() =>
      expect(server.count('POST /cells/live/slice')).toBe(1)
    );
    expect(await slice.show('fast')).toBe(true);
    first();
    expect(await slow).toBe(false);
    expect(slice.slice?.name).toBe('fast');
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
      const popup = whyPopup({
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
