import { Notification } from '@jupyterlab/apputils';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandIDs } from '../commands';
import {
  FakeServer,
  problem,
  readyKit,
  show,
  withLayout
} from '../testing/kit';
import { toData } from './curve';
import { RunsView } from './panel';
import { RunModel } from './run-model';
import { RunPage } from './run-page';
import { RunsModel } from './runs-model';
import type { RunDetail, RunSummary } from './types';

vi.mock('uplot', () => ({ default: class {} }));

function run(id: string, fields: Partial<RunSummary> = {}): RunSummary {
  return {
    id,
    name: `run ${id}`,
    experiment_id: '1',
    experiment: 'flights',
    status: 'succeeded',
    started_at: 1_700_000_000,
    ended_at: 1_700_000_060,
    deleted: false,
    notebook: 'train.ipynb',
    snapshot: '',
    pipeline_run_id: '',
    step: '',
    params: { trees: '20' },
    metrics: { auc: 0.75, loss: 'NaN' },
    ...fields
  };
}

function detail(fields: Partial<RunDetail> = {}): RunDetail {
  return {
    ...run('a'),
    tags: {},
    error: '',
    artifacts: [{ path: 'model', is_dir: true, size: null }],
    models: ['delay/3'],
    commit: '0123456789abcdef',
    dirty: true,
    user: 'ada',
    pipeline_run_id: 'p1',
    step: 'train',
    ...fields
  };
}

describe('the runs', () => {
  let server: FakeServer;

  beforeEach(() => {
    withLayout();
    server = new FakeServer();
    server.on('GET', '/tracking/experiments', () => ({ items: [] }));
    server.on('GET', '/tracking/runs', () => ({
      items: [run('a'), run('b', { status: 'running', ended_at: null })],
      next_page_token: 'more'
    }));
  });

  async function open() {
    const kit = await readyKit();
    const model = new RunsModel(kit);
    show(kit, <RunsView model={model} wide={false} />);
    model.setActive(true);
    const table = await screen.findByRole('table', { name: 'Runs' });
    return { kit, model, table };
  }

  const query = (index = -1) =>
    new URL(
      `http://x${server.requests
        .filter(r => r.startsWith('GET /tracking/runs'))
        .at(index)
        ?.slice(4)}`
    ).searchParams;

  it('show in a table with their metrics and their state in words', async () => {
    const { table } = await open();
    expect(within(table).getByText('Running')).toBeTruthy();
    expect(within(table).getAllByText('0.75')).toHaveLength(2);
    expect(within(table).getAllByText('NaN')).toHaveLength(2);
    expect(table.getAttribute('aria-rowcount')).toBe('3');
  });

  it('open on click, and by keyboard', async () => {
    const { kit, table } = await open();
    const first = within(table).getByRole('button', { name: /run a/ });
    first.focus();
    fireEvent.keyDown(first, { key: 'ArrowDown' });
    const second = within(table).getByRole('button', { name: /run b/ });
    await waitFor(() => expect(document.activeElement).toBe(second));
    expect(first.tabIndex).toBe(-1);
    fireEvent.click(second);
    expect(kit.executed).toEqual([
      [CommandIDs.openRun, { id: 'b', name: 'run b', workspace: 'flights' }]
    ]);
  });

  it('are sorted by the server', async () => {
    const { table } = await open();
    fireEvent.click(within(table).getByRole('button', { name: 'auc' }));
    await waitFor(() => expect(query().get('order_by')).toBe('metrics.auc'));
    expect(query().get('descending')).toBe('true');
    const header = within(table).getByRole('columnheader', { name: /auc/ });
    expect(header.getAttribute('aria-sort')).toBe('descending');
    fireEvent.click(within(header).getByRole('button'));
    await waitFor(() => expect(query().get('descending')).toBe('false'));
  });

  it('are filtered in MLflow syntax; what is wrong with a filter is said', async () => {
    await open();
    server.on('GET', '/tracking/runs', () =>
      problem(400, {
        code: 'invalid-input',
        what: 'The filter can not be read.',
        next: 'Write metrics.auc > 0.7.'
      })
    );
    const box = screen.getByRole('searchbox', { name: 'Filter the runs' });
    fireEvent.change(box, { target: { value: 'auc >' } });
    fireEvent.submit(box);
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('Write metrics.auc > 0.7.');
    expect(query().get('filter')).toBe('auc >');
    expect(box.getAttribute('aria-invalid')).toBe('true');
    expect(screen.getByRole('table', { name: 'Runs' })).toBeTruthy();
  });

  it('are loaded page by page, and all of them again after a change', async () => {
    const { kit } = await open();
    server.on('GET', '/tracking/runs', ({ url }) =>
      url.searchParams.get('page_token') === 'more'
        ? { items: [run('c')], next_page_token: '' }
        : { items: [run('a'), run('b'), run('c')], next_page_token: '' }
    );
    fireEvent.click(screen.getByText('Load more'));
    await screen.findByText('3 runs');
    expect(query().get('page_token')).toBe('more');
    kit.changes.announce({ topic: 'run', key: 'c' });
    await waitFor(() => expect(server.count('GET /tracking/runs')).toBe(3));
    expect(query().get('page_token')).toBeNull();
    expect(screen.getByText('3 runs')).toBeTruthy();
  });

  it('ignore the changes of other workspaces', async () => {
    const { kit } = await open();
    kit.changes.announce({ topic: 'run', workspace: 'elsewhere' });
    kit.changes.announce({ topic: 'model' });
    await new Promise(resolve => setTimeout(resolve, 300));
    expect(server.count('GET /tracking/runs')).toBe(1);
  });

  it('can be those of the notebook in front only', async () => {
    const { kit } = await open();
    kit.workspaces.setLocation({
      folder: 'flights',
      notebook: 'flights/train.ipynb'
    });
    fireEvent.click(await screen.findByLabelText('This notebook'));
    await waitFor(() => expect(query().get('notebook')).toBe('train.ipynb'));
  });

  it('keep the columns that the person chose', async () => {
    const { kit, table } = await open();
    fireEvent.click(screen.getByRole('button', { name: 'Choose columns' }));
    fireEvent.click(screen.getByLabelText('trees'));
    fireEvent.click(screen.getByLabelText('loss'));
    await waitFor(() => expect(kit.settings.params).toEqual(['trees']));
    expect(kit.settings.metrics).toEqual(['auc']);
    expect(
      within(table).getByRole('columnheader', { name: 'trees' })
    ).toBeTruthy();
    expect(
      within(table).queryByRole('columnheader', { name: 'loss' })
    ).toBeNull();
  });

  it('are forgotten when the person goes to another workspace', async () => {
    const { kit, model } = await open();
    const { workspaceState } = await import('../testing/kit');
    server.on('GET', '/workspace', () => workspaceState({ root: 'other' }));
    server.on('GET', '/tracking/runs', () => ({
      items: [],
      next_page_token: ''
    }));
    kit.workspaces.setLocation({ folder: 'other', notebook: '' });
    await screen.findByText('No runs yet.');
    expect(query().get('workspace')).toBe('other');
    expect(model.rows).toEqual([]);
  });
});

describe('the page of a run', () => {
  let server: FakeServer;
  let current: RunDetail;

  beforeEach(() => {
    server = new FakeServer();
    current = detail();
    server.on('GET', '/tracking/runs/{run_id}', () => current);
    server.on('GET', '/tracking/runs/{run_id}/metrics', ({ url }) => ({
      key: url.searchParams.get('key'),
      points: [{ step: 0, at: 1, value: 1 }],
      total: 1
    }));
  });

  async function open() {
    const kit = await readyKit();
    const workspace = kit.workspaces.current;
    if (!workspace) {
      throw new Error('no workspace');
    }
    const model = new RunModel(kit, workspace, 'a');
    show(kit, <RunPage model={model} />);
    model.setActive(true);
    const page = await screen.findByRole('article', { name: 'Run run a' });
    return { kit, model, page };
  }

  it('leads to the notebook, the pipeline run and the model', async () => {
    const { kit, page } = await open();
    fireEvent.click(within(page).getByText('train.ipynb'));
    fireEvent.click(within(page).getByText('p1, step train'));
    fireEvent.click(within(page).getByText('delay/3'));
    expect(kit.executed).toEqual([
      [CommandIDs.openPath, { path: 'train.ipynb', workspace: 'flights' }],
      [CommandIDs.openPipelineRun, { id: 'p1', workspace: 'flights' }],
      [CommandIDs.openModel, { name: 'delay', workspace: 'flights' }]
    ]);
    expect(page.textContent).toContain('with changes not committed');
  });

  it('follows the run while it runs', async () => {
    current = detail({ status: 'running', ended_at: null, metrics: {} });
    const { kit, page } = await open();
    expect(within(page).getByText('Running')).toBeTruthy();
    current = detail({ metrics: { auc: 0.9 } });
    kit.changes.announce({ topic: 'run', key: 'a' });
    await within(page).findByText('Succeeded');
    expect(
      within(page).getByRole('table', { name: 'Metrics' }).textContent
    ).toContain('0.9');
  });

  it('opens folders of artifacts on demand', async () => {
    server.on('GET', '/tracking/runs/{run_id}/artifacts', () => ({
      items: [{ path: 'model/MLmodel', is_dir: false, size: 1200 }]
    }));
    const { page } = await open();
    fireEvent.click(within(page).getByRole('button', { name: 'model' }));
    await within(page).findByText('MLmodel');
    expect(page.textContent).toContain('1.20 kB');
  });

  it('is deleted with a way back', async () => {
    server.on('DELETE', '/tracking/runs/{run_id}', () => {
      current = detail({ deleted: true });
      return undefined;
    });
    server.on('POST', '/tracking/runs/{run_id}/restore', () => {
      current = detail();
      return current;
    });
    const notify = vi.spyOn(Notification, 'info').mockReturnValue('id');
    const { page } = await open();
    fireEvent.click(within(page).getByText('Delete'));
    await within(page).findByText('This run was deleted.');
    const undo = notify.mock.calls[0]?.[1]?.actions?.[0];
    expect(undo?.label).toBe('Undo');
    undo?.callback(new MouseEvent('click'));
    await waitFor(() =>
      expect(within(page).queryByText('This run was deleted.')).toBeNull()
    );
  });
});

describe('a curve', () => {
  it('is drawn over steps, gaps where a value is not a number', () => {
    const [x, y] = toData({
      key: 'loss',
      total: 3,
      points: [
        { step: 1, at: 10, value: 0.5 },
        { step: 2, at: 11, value: 'NaN' },
        { step: 3, at: 12, value: 0.25 }
      ]
    });
    expect(x).toEqual([1, 2, 3]);
    expect(y).toEqual([0.5, null, 0.25]);
  });

  it('is drawn over seconds where the steps do not differ', () => {
    const [x] = toData({
      key: 'loss',
      total: 2,
      points: [
        { step: 0, at: 10, value: 1 },
        { step: 0, at: 12.5, value: 2 }
      ]
    });
    expect(x).toEqual([0, 2.5]);
  });
});
