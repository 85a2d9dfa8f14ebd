import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandIDs } from '../commands';
import { noTranslation } from '../i18n';
import { execution } from '../testing/executions';
import { FakeServer, problem, readyKit, show } from '../testing/kit';
import { ImpactModel } from './impact-model';
import { MadeIn } from './made-in';
import { OriginCard } from './origin-card';
import { executionOf, isResult, Origins } from './origins';
import { inWords } from './output-origins';
import { isGoing, ReproductionModel } from './reproduction-model';
import type { CellFeeds, ExecutionOrigin, Verification } from './types';
import { VerificationSection } from './verification';

function origin(fields: Partial<ExecutionOrigin> = {}): ExecutionOrigin {
  return {
    execution: execution(9),
    upstream: [1, 2, 3, 4, 5, 6, 7, 8].map(count => execution(count)),
    more: 0,
    sources: [
      {
        kind: 'file',
        name: 'data/raw.csv',
        version: 'abcdef0123456789',
        execution: 'e1',
        written: false
      },
      {
        kind: 'file',
        name: 'made.parquet',
        version: 'd2',
        execution: 'e2',
        written: true
      }
    ],
    items: [{ kind: 'run', key: 'r1', label: 'forest', live: null }],
    ...fields
  };
}

let server: FakeServer;

beforeEach(() => {
  vi.restoreAllMocks();
  server = new FakeServer();
});

describe('what a cell leads to', () => {
  const feeds: CellFeeds = {
    cell_id: 'fit',
    summary: 'feeds delay/3, 1 endpoint',
    items: [
      { kind: 'run', key: 'r1', label: 'forest', live: null },
      { kind: 'endpoint', key: 'old', label: 'old', live: false },
      { kind: 'endpoint', key: 'delay', label: 'delay', live: true }
    ],
    live: true,
    code: ['fit(x)\n']
  };

  it('is one request for all cells, and again when a model is pushed', async () => {
    const kit = await readyKit();
    server.on('GET', '/cells/impact/notebook', () => ({
      notebook: 'train.ipynb',
      items: [feeds]
    }));
    const model = new ImpactModel(kit, kit.workspaces.current!, 'train.ipynb');
    expect(server.count('GET /cells/impact')).toBe(0); // nobody looks yet
    model.setActive(true);
    await waitFor(() => expect(model.of('fit', 'fit(x)')).toBeDefined());
    expect(server.count('GET /cells/impact')).toBe(1);
    // What matters most first; what no longer answers is left out.
    expect(model.of('fit', 'fit(x)  ')).toMatchObject({
      code: 'same',
      items: [{ key: 'delay' }, { key: 'r1' }]
    });
    expect(model.of('fit', 'fit(x, 2)')?.code).toBe('answering');
    expect(model.of('other', 'x')).toBeUndefined();
    feeds.live = false;
    kit.changes.announce({ topic: 'model', key: 'delay' });
    await waitFor(() =>
      expect(model.of('fit', 'fit(x, 2)')?.code).toBe('older')
    );
    kit.changes.announce({ topic: 'cell_execution', key: 'other.ipynb' });
    kit.changes.announce({ topic: 'worker', key: '' });
    expect(server.count('GET /cells/impact')).toBe(2);
    model.dispose();
    expect(model.isDisposed).toBe(true);
  });
});

describe('what made an output', () => {
  it('is known by what the recorder wrote into it', () => {
    const output = (type: string, metadata: any) => ({ type, metadata });
    expect(
      executionOf(output('display_data', { mlops: { execution: 'e1' } }))
    ).toBe('e1');
    for (const metadata of [{}, { mlops: null }, { mlops: { execution: 1 } }]) {
      expect(executionOf(output('display_data', metadata))).toBe('');
    }
    expect(isResult(output('display_data', {}))).toBe(true);
    expect(isResult(output('stream', {}))).toBe(false);
  });

  it('is said in a line', () => {
    expect(
      inWords(origin(), noTranslation(), execution(9).started_at + 120)
    ).toBe('In [9] · 2m ago · from 8 cells · raw.csv');
    expect(
      inWords(
        origin({ upstream: [], sources: [] }),
        noTranslation(),
        execution(9).started_at
      )
    ).toBe('In [9] · now');
  });

  it('is asked for once, and shown with executions, files and what it led to', async () => {
    const kit = await readyKit();
    server.on('GET', '/cells/executions/{execution}/origin', () => origin());
    const origins = new Origins(kit.workspaces.current!);
    await origins.get('e9');
    const leave = vi.fn();
    show(kit, <OriginCard origins={origins} execution="e9" onLeave={leave} />);
    const cells = await screen.findByRole('list', {
      name: 'Executions that it follows from'
    });
    expect(server.count('GET /cells/executions/e9/origin')).toBe(1);
    expect(within(cells).queryByText('step_1()')).toBeNull();
    fireEvent.click(within(cells).getByText('2 more'));
    fireEvent.click(within(cells).getByText('step_1()'));
    expect(leave).toHaveBeenCalled();
    expect(kit.executed.pop()).toEqual([
      CommandIDs.showCell,
      {
        path: 'train.ipynb',
        cell: 'cell1',
        count: '1',
        workspace: 'flights'
      }
    ]);
    expect(screen.getByText('version abcdef01')).toBeTruthy();
    expect(screen.queryByText('made.parquet')).toBeNull(); // made on the way
    fireEvent.click(screen.getByText('run forest'));
    expect(kit.executed.pop()?.[0]).toBe(CommandIDs.openRun);
  });

  it('says where nothing was recorded, or not here', async () => {
    const kit = await readyKit();
    server.on('GET', '/cells/executions/{execution}/origin', () =>
      problem(404, { code: 'not-found', title: 'There is no execution.' })
    );
    const origins = new Origins(kit.workspaces.current!);
    const view = show(
      kit,
      <OriginCard origins={origins} execution="" onLeave={() => undefined} />
    );
    expect(
      screen.getByText('Nothing is recorded of this output.')
    ).toBeTruthy();
    view.unmount();
    show(
      kit,
      <OriginCard origins={origins} execution="e1" onLeave={() => undefined} />
    );
    expect(
      await screen.findByText(
        'The record of this output is not in this workspace.'
      )
    ).toBeTruthy();
  });
});

describe('the cells in which something was made', () => {
  it('lead to the cell in its notebook', async () => {
    const kit = await readyKit();
    server.on('GET', '/cells/made-in', () => ({ items: [execution(3)] }));
    const workspace = kit.workspaces.current!;
    show(
      kit,
      <MadeIn workspace={workspace} kind="model_version" thing="delay/3" />
    );
    fireEvent.click(await screen.findByText('step_3()'));
    expect(kit.executed.pop()).toEqual([
      CommandIDs.showCell,
      { path: 'train.ipynb', cell: 'cell3', count: '3', workspace: 'flights' }
    ]);
    expect(server.requests.at(-1)).toContain(
      'kind=model_version&key=delay%2F3'
    );
    fireEvent.click(screen.getByText('Show the slice'));
    expect(kit.executed.pop()).toEqual([
      CommandIDs.showSlice,
      { name: 'models:/delay/3', path: 'train.ipynb', workspace: 'flights' }
    ]);
  });

  it('are none where none is recorded', async () => {
    const kit = await readyKit();
    server.on('GET', '/cells/made-in', () => ({ items: [] }));
    const workspace = kit.workspaces.current!;
    show(kit, <MadeIn workspace={workspace} kind="run" thing="r1" />);
    expect(await screen.findByText('no cell is recorded')).toBeTruthy();
  });
});

describe('verifying a run', () => {
  const verification: Verification = {
    run_id: 'r1',
    status: 'running',
    workflow_id: 'w',
    present: false,
    tolerance: 0,
    started_at: 1000,
    ended_at: null,
    cells_total: 4,
    cells_done: 1,
    first: null,
    cells: [],
    metrics: [],
    params: [],
    packages: [],
    data: [],
    notes: [],
    error: null
  };

  it('goes from nothing to its progress to the first cell that differs', async () => {
    const kit = await readyKit();
    const path = '/reproduction/runs/{run_id}/verification';
    let now: Verification | null = null;
    server.on('GET', path, () =>
      now ? now : problem(404, { code: 'not-found', title: 'Not yet.' })
    );
    server.on('POST', path, ({ body }) => {
      expect(body).toMatchObject({ present: true, tolerance: 0.1 });
      return (now = verification);
    });
    const model = new ReproductionModel(kit, kit.workspaces.current!, 'r1');
    model.setActive(true);
    show(kit, <VerificationSection model={model} notebook="train.ipynb" />);
    await waitFor(() => expect(model.query.data).toBeNull());
    expect(screen.queryByText('Verification')).toBeNull();

    await model.verify({ present: true, tolerance: 0.1 });
    expect(await screen.findByText('1 of 4 cells')).toBeTruthy();
    expect(isGoing(model.query.data)).toBe(true);

    const input = {
      kind: 'file' as const,
      name: 'raw.csv',
      then: 'a'.repeat(32),
      now: 'b'.repeat(32),
      detail: 'row 7 differs'
    };
    const cell = {
      index: 2,
      count: 5,
      title: 'read()',
      execution: 'e5',
      status: 'drifted' as const,
      inputs: [input],
      results: [],
      uncompared: [],
      note: ''
    };
    now = {
      ...verification,
      status: 'drifted',
      ended_at: 1010,
      cells: [cell, { ...cell, index: 3, count: 6, title: 'fit()' }],
      first: {
        cell: 2,
        count: 5,
        title: 'read()',
        cause: 'input',
        inputs: [input],
        results: [],
        why: 'The file raw.csv is not what it was.'
      }
    };
    kit.changes.announce({ topic: 'run', key: 'r1' });
    const first = await screen.findByRole('group', {
      name: 'First cell that differs'
    });
    expect(screen.getByText('Drifted: other results than then')).toBeTruthy();
    expect(first.textContent).toContain('aaaaaaaa then, bbbbbbbb now');
    expect(first.textContent).toContain('1 later execution differs, too.');
    fireEvent.click(within(first).getByText('In [5] read()'));
    expect(kit.executed.pop()).toEqual([
      CommandIDs.showCell,
      {
        path: 'train.ipynb',
        execution: 'e5',
        count: '5',
        workspace: 'flights'
      }
    ]);
    model.dispose();
  });

  it('restores and takes away again', async () => {
    const kit = await readyKit();
    server.on('POST', '/reproduction/runs/{run_id}/restore', ({ body }) => ({
      ...body,
      run_id: 'r1'
    }));
    server.on('DELETE', '/reproduction/restored/{name}', () => undefined);
    const model = new ReproductionModel(kit, kit.workspaces.current!, 'r1');
    const done = await model.restore({ into: 'branch', name: 'again' });
    expect(done).toMatchObject({ into: 'branch', name: 'again' });
    await model.undo('again');
    expect(server.count('DELETE /reproduction/restored/again?')).toBe(1);
    model.dispose();
  });
});
