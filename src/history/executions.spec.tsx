import * as apputils from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandIDs } from '../commands';
import { execution as anExecution } from '../testing/executions';
import { FakeServer, problem, readyKit, show } from '../testing/kit';
import { createExecutionsSection } from './executions';
import { ExecutionsModel } from './executions-model';
import type { IOpenNotebooks } from './open-notebooks';
import type { ListedExecution } from './types';

function execution(
  count: number,
  fields: Partial<ListedExecution> = {}
): ListedExecution {
  return anExecution(count, {
    id: `00000000000${count}`,
    key: `k${count}`,
    ...fields
  });
}

class FakeNotebooks implements IOpenNotebooks {
  readonly changed = new Signal<this, void>(this);
  readonly current = 'flights/train.ipynb';
  readonly revealed: string[] = [];
  cells = ['cell1', 'cell2'];

  find(): undefined {
    return undefined;
  }

  async reveal(path: string, cell: string): Promise<boolean> {
    this.revealed.push(`${path} ${cell}`);
    return this.cells.includes(cell);
  }
}

describe('the executions of a notebook', () => {
  let server: FakeServer;
  let items: ListedExecution[];

  beforeEach(() => {
    Element.prototype.scrollIntoView = vi.fn();
    server = new FakeServer();
    items = [
      execution(3, {
        reads: { df: 'k1:df', b: '000000000002:b', c: 'absent' }
      }),
      execution(2, { status: 'cached', key: '' }),
      execution(1)
    ];
    server.on('GET', '/cells/executions', ({ url }) => {
      const asked = url.searchParams;
      const fit = items.filter(
        row =>
          row.title.includes(asked.get('search') ?? '') &&
          ['', row.status].includes(asked.get('status') ?? '')
      );
      const from = Number(asked.get('page_token') || 0);
      const to = from + Number(asked.get('max_results'));
      return {
        items: fit.slice(from, to),
        next_page_token: to < fit.length ? String(to) : ''
      };
    });
    server.on('GET', '/cells/executions/{execution}', ({ match }) => ({
      ...items.find(row => row.id === match[1]),
      source: 'import lib\nstep_3()',
      written: ['model'],
      modules: { lib: 'd1' },
      generators: { 'numpy.random': ['a', 'b'] },
      environment: '0123456789abcdef',
      taken_from: ''
    }));
    server.on('GET', '/cells/executions/{execution}/links', () => ({
      items: [
        { kind: 'run', key: 'r1', label: 'forest', live: null },
        { kind: 'model_version', key: 'delay/3', label: 'delay 3', live: null },
        { kind: 'endpoint', key: 'delay', label: 'delay', live: true }
      ]
    }));
    server.on('GET', '/cells/impact', () => ({
      summary: 'feeds delay version 3, 2 endpoints',
      items: [],
      cells: []
    }));
  });

  async function open(active = true) {
    const kit = await readyKit();
    const notebooks = new FakeNotebooks();
    const Section = createExecutionsSection(kit, notebooks);
    const shown = show(kit, <Section path="train.ipynb" active={active} />);
    return { kit, notebooks, shown };
  }

  const row = (count: number) =>
    screen.findByRole('listitem', { name: `Execution In [${count}]` });

  async function openRow(count: number): Promise<HTMLElement> {
    const found = await row(count);
    fireEvent.click(
      within(found).getByRole('button', { name: /read and wrote$/ })
    );
    await within(found).findByText('Environment');
    return found;
  }

  it('lists them newest first, with their state in words, and follows changes', async () => {
    const { kit } = await open();
    await row(3);
    const rows = screen.getAllByRole('listitem');
    expect(rows.map(each => each.getAttribute('aria-label'))).toEqual([
      'Execution In [3]',
      'Execution In [2]',
      'Execution In [1]'
    ]);
    expect(rows[0]?.textContent).toContain('step_3()');
    expect(rows[0]?.textContent).toContain('1.3 s');
    expect(rows[1]?.textContent).toContain('From the cache');

    items = [
      execution(1, {
        session: 'next',
        id: 'new',
        status: 'died',
        seconds: null,
        started_at: 1_795_000_009
      }),
      ...items
    ];
    kit.changes.announce({ topic: 'cell_execution', key: 'other.ipynb' });
    kit.changes.announce({ topic: 'notebook', key: 'train.ipynb' });
    kit.changes.announce({ topic: 'cell_execution', key: 'train.ipynb' });
    await screen.findByText('Another kernel');
    const died = screen.getAllByRole('listitem')[0];
    expect(died?.textContent).toContain('Died with its kernel');
    expect(died?.querySelector('.jp-mlops-Duration')).toBeNull();
    expect(server.count('GET /cells/executions?')).toBe(2);
  });

  it('asks for nothing while the panel is not seen', async () => {
    const { kit } = await open(false);
    kit.changes.announce({ topic: 'cell_execution', key: 'train.ipynb' });
    await new Promise(resolve => setTimeout(resolve, 250));
    expect(server.count('GET /cells')).toBe(0);
  });

  it('asks what came of one only when it is opened', async () => {
    const { kit } = await open();
    await row(3);
    expect(server.count('GET /cells/impact')).toBe(0);
    const opened = await openRow(3);
    expect(server.count('GET /cells/impact')).toBe(1);
    expect(opened.querySelector('pre')?.textContent).toBe(
      'import lib\nstep_3()'
    );
    for (const told of [
      'model',
      'lib',
      'numpy.random',
      '01234567',
      'endpoint delay (answers now)',
      'feeds delay version 3, 2 endpoints',
      'c not defined'
    ]) {
      expect(opened.textContent).toContain(told);
    }
    fireEvent.click(within(opened).getByText('run forest'));
    fireEvent.click(within(opened).getByText('model delay 3'));
    expect(kit.executed).toEqual([
      [CommandIDs.openRun, { id: 'r1', name: 'forest', workspace: 'flights' }],
      [CommandIDs.openModel, { name: 'delay', workspace: 'flights' }]
    ]);
  });

  it('leads from a name to the execution that made it, by its key or its id', async () => {
    await open();
    const opened = await openRow(3);
    fireEvent.click(within(opened).getByText('of In [1]'));
    expect((await row(1)).contains(document.activeElement)).toBe(true);
    fireEvent.click(within(opened).getByText('of In [2]'));
    expect((await row(2)).contains(document.activeElement)).toBe(true);
  });

  it('never leads to a later execution, or one of another kernel', async () => {
    items = [
      execution(4, { key: 'k1' }),
      execution(3, { reads: { df: 'k1:df' } }),
      execution(1, { session: 'before' })
    ];
    await open();
    const opened = await openRow(3);
    expect(within(opened).queryByText(/^of In/)).toBeNull();
  });

  it('shows the cell in the notebook, and says when it is gone', async () => {
    const warning = vi.spyOn(apputils.Notification, 'warning');
    const { notebooks } = await open();
    fireEvent.click(within(await row(1)).getByText('step_1()'));
    await waitFor(() =>
      expect(notebooks.revealed).toEqual(['flights/train.ipynb cell1'])
    );
    expect(warning).not.toHaveBeenCalled();
    fireEvent.click(within(await row(3)).getByText('step_3()'));
    await waitFor(() => expect(warning).toHaveBeenCalledOnce());
    expect(warning.mock.calls[0]?.[0]).toContain('In [3] is no longer');
  });

  it('searches and filters on the server', async () => {
    await open();
    await row(3);
    fireEvent.change(screen.getByRole('searchbox'), {
      target: { value: 'step_2' }
    });
    await waitFor(() =>
      expect(screen.getAllByRole('listitem')).toHaveLength(1)
    );
    fireEvent.change(screen.getByRole('combobox'), {
      target: { value: 'failed' }
    });
    await screen.findByText('No execution is like this.');
    fireEvent.change(screen.getByRole('combobox'), {
      target: { value: 'cached' }
    });
    await row(2);
  });

  it('shows more on demand', async () => {
    items = Array.from({ length: 25 }, (_, n) => execution(25 - n));
    await open();
    await row(25);
    expect(screen.getAllByLabelText(/^Execution In/)).toHaveLength(10);
    fireEvent.click(screen.getByText('Show more executions'));
    await waitFor(() =>
      expect(screen.getAllByLabelText(/^Execution In/)).toHaveLength(25)
    );
    expect(screen.queryByText('Show more executions')).toBeNull();
  });

  it('goes on by the token of the page before', async () => {
    items = Array.from({ length: 1300 }, (_, n) => execution(1300 - n));
    const model = new ExecutionsModel(await readyKit(), 'train.ipynb');
    model.setActive(true);
    for (const rows of [10, 30, 90, 270, 810]) {
      await waitFor(() => expect(model.list.data?.items).toHaveLength(rows));
      expect(model.list.data?.more).toBe(true);
      model.showMore();
    }
    await waitFor(() => expect(model.list.data?.items).toHaveLength(1300));
    expect(model.list.data?.more).toBe(false);
    expect(server.requests.at(-1)).toContain('max_results=500&page_token=1000');
    model.dispose();
  });

  it('says how to have executions recorded', async () => {
    items = [];
    await open();
    await screen.findByText('No execution is recorded.');
    expect(screen.getByText('%load_ext jupyter_mlops')).toBeTruthy();
    expect(screen.queryByRole('searchbox')).toBeNull();
  });

  it('shows an error and asks again', async () => {
    server.on('GET', '/cells/impact', () =>
      problem(503, { code: 'busy', what: 'The database is locked.' })
    );
    await open();
    const found = await row(3);
    fireEvent.click(
      within(found).getByRole('button', { name: /read and wrote$/ })
    );
    await screen.findByText('The database is locked.');
    server.on('GET', '/cells/impact', () => ({ summary: 'feeds 1 run' }));
    fireEvent.click(within(found).getByText('Try again'));
    await within(found).findByText('feeds 1 run');
  });
});
