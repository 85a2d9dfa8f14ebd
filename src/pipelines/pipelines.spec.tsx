import * as apputils from '@jupyterlab/apputils';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ServerConnection } from '@jupyterlab/services';
import { ApiClient } from '../api';
import { CommandIDs } from '../commands';
import { noTranslation } from '../i18n';
import { FakeServer, readyKit, show, workspaceState } from '../testing/kit';
import { ActivityModel } from './activity';
import { ExecutedDrive, executedPath } from './drive';
import { PipelinesModel } from './model';
import { PipelinesView } from './panel';
import { PipelineRunModel } from './run-model';
import { PipelineRunPage } from './run-page';
import { startPipeline } from './start';
import { withoutAnsi } from './step';
import type {
  PipelineRun,
  PipelineRunSummary,
  StepRun,
  StepRunDetail
} from './types';

vi.mock('@jupyterlab/apputils', async original => ({
  ...(await original<typeof apputils>()),
  showDialog: vi.fn()
}));

const trans = noTranslation();

function summary(fields: Partial<PipelineRunSummary> = {}): PipelineRunSummary {
  return {
    id: 'r1',
    name: 'iris',
    path: 'iris.pipeline.yaml',
    status: 'running',
    round: 1,
    created_at: 1_700_000_000,
    started_at: 1_700_000_000,
    ended_at: null,
    steps_total: 2,
    steps_done: 1,
    error: null,
    ...fields
  };
}

function step(name: string, fields: Partial<StepRun> = {}): StepRun {
  return {
    name,
    notebook: `${name}.ipynb`,
    status: 'queued',
    attempt: 1,
    needs: [],
    parameters: {},
    cells_total: 0,
    cells_done: 0,
    current_cell: null,
    output_notebook: '',
    started_at: null,
    ended_at: null,
    error: null,
    ...fields
  };
}

function stepDetail(base: StepRun, fields: Partial<StepRunDetail> = {}) {
  return {
    ...base,
    cells: [
      {
        index: 0,
        cell_id: 'c0',
        title: 'Load the data',
        status: 'succeeded',
        started_at: 1,
        ended_at: 2
      },
      {
        index: 1,
        cell_id: 'c1',
        title: 'Fit the forest',
        status: 'running',
        started_at: 2,
        ended_at: null
      }
    ],
    outputs: [],
    log: '',
    ...fields
  };
}

describe('the Pipelines panel', () => {
  let server: FakeServer;

  beforeEach(() => {
    server = new FakeServer();
    server.on('GET', '/pipelines', () => ({
      items: [
        {
          path: 'iris.pipeline.yaml',
          name: 'iris',
          description: '',
          steps: ['train', 'publish'],
          problems: []
        },
        {
          path: 'bad.pipeline.yaml',
          name: 'bad',
          description: '',
          steps: [],
          problems: [
            {
              message: 'No such notebook.',
              line: 4,
              column: 5,
              fix: 'Make it.'
            }
          ]
        }
      ]
    }));
    server.on('GET', '/pipelines/runs', () => ({
      items: [summary()],
      next_page_token: ''
    }));
  });

  async function open() {
    const kit = await readyKit();
    const model = new PipelinesModel(kit);
    show(kit, <PipelinesView model={model} />);
    model.setActive(true);
    await screen.findByText('train → publish');
    await screen.findByText('1 of 2 steps', { exact: false });
    return { kit, model };
  }

  it('lists pipelines; one with problems says where and can not run', async () => {
    const { kit } = await open();
    const bad = screen.getByRole('button', { name: 'Run bad…' });
    expect((bad as HTMLButtonElement).disabled).toBe(true);
    expect(screen.getByText('Line 4:')).toBeTruthy();
    expect(screen.getByText('→ Make it.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Run iris…' }));
    expect(kit.executed).toEqual([
      [CommandIDs.runPipeline, { path: 'iris.pipeline.yaml' }]
    ]);
  });

  it('keeps the runs live, without asking at every cell', async () => {
    const { kit } = await open();
    const asked = server.count('GET /pipelines/runs');
    kit.changes.announce({
      topic: 'step_run',
      key: 'r1/train',
      action: 'progress'
    });
    await new Promise(resolve => setTimeout(resolve, 300));
    expect(server.count('GET /pipelines/runs')).toBe(asked);
    server.on('GET', '/pipelines/runs', () => ({
      items: [summary({ status: 'succeeded', steps_done: 2 })],
      next_page_token: ''
    }));
    kit.changes.announce({ topic: 'pipeline_run', key: 'r1' });
    await screen.findByText('Succeeded');
  });

  it('looks again when a pipeline file is saved in Lab', async () => {
    const { kit } = await open();
    const asked = server.count('GET /pipelines?');
    const signal = kit.fileChanged as any;
    signal.emit({ type: 'save', newValue: { path: 'a/notes.txt' } });
    signal.emit({ type: 'save', newValue: { path: 'a/iris.pipeline.yaml' } });
    await waitFor(() =>
      expect(server.count('GET /pipelines?')).toBe(asked + 1)
    );
  });
});

describe('the page of a pipeline run', () => {
  let server: FakeServer;
  let train: StepRun;
  let current: PipelineRun;

  beforeEach(() => {
    server = new FakeServer();
    train = step('train', {
      status: 'running',
      cells_total: 5,
      cells_done: 1,
      current_cell: 1,
      started_at: 1
    });
    current = {
      ...summary(),
      parameters: { trees: 20 },
      snapshot: 'abc',
      steps: [train, step('publish')]
    };
    server.on('GET', '/pipelines/runs/{run_id}', () => ({
      ...current,
      steps: [train, step('publish')]
    }));
    server.on('GET', '/pipelines/runs/{run_id}/steps/{step}', () =>
      stepDetail(train)
    );
  });

  async function open() {
    const kit = await readyKit();
    const workspace = kit.workspaces.current;
    if (!workspace) {
      throw new Error('no workspace');
    }
    const model = new PipelineRunModel(kit, workspace, 'r1');
    show(kit, <PipelineRunPage model={model} />);
    model.setActive(true);
    const page = await screen.findByRole('article', {
      name: 'Pipeline run iris'
    });
    return { kit, model, page };
  }

  it('shows how far each step is, and the cell that runs', async () => {
    const { page, kit } = await open();
    const bar = within(page).getByRole('progressbar');
    expect(bar.getAttribute('aria-valuenow')).toBe('1');
    expect(bar.getAttribute('aria-valuemax')).toBe('5');
    await waitFor(() =>
      expect(page.querySelector('.jp-mlops-CurrentCell')?.textContent).toBe(
        'Fit the forest'
      )
    );
    train = { ...train, cells_done: 2, current_cell: 2 };
    kit.changes.announce({
      topic: 'step_run',
      key: 'r1/train',
      action: 'progress'
    });
    await within(page).findByText('2 of 5 cells');
  });

  it('shows why a step failed, in which cell, and opens the executed notebook', async () => {
    train = {
      ...train,
      status: 'failed',
      output_notebook: '.mlops/x/train.ipynb',
      error: {
        code: 'notebook-failed',
        what: 'Cell 3 of train.ipynb failed.',
        why: 'ZeroDivisionError: division by zero',
        next: 'Correct the cell and resume.',
        details: { cell: 2, traceback: ['\u001b[31mTraceback\u001b[0m'] }
      }
    };
    current = { ...current, status: 'failed' };
    const { kit, page } = await open();
    const alert = within(page).getByRole('alert');
    expect(alert.textContent).toContain('division by zero');
    expect(alert.querySelector('pre')?.textContent).toBe('Traceback');
    fireEvent.click(within(alert).getByText('Open executed notebook'));
    expect(kit.executed).toEqual([
      [
        CommandIDs.openExecuted,
        { id: 'r1', step: 'train', workspace: 'flights' }
      ]
    ]);
  });

  it('is cancelled, and resumed', async () => {
    server.on('POST', '/pipelines/runs/{run_id}/cancel', () => ({
      ...current,
      status: 'cancelled'
    }));
    server.on('POST', '/pipelines/runs/{run_id}/resume', () => ({
      ...current,
      status: 'queued',
      round: 2
    }));
    const { page } = await open();
    fireEvent.click(within(page).getByText('Cancel'));
    await within(page).findByText('Cancelled');
    fireEvent.click(within(page).getByText('Resume'));
    await within(page).findByText('Cancel');
    expect(server.requests.filter(r => r.startsWith('POST'))).toEqual([
      'POST /pipelines/runs/r1/cancel?workspace=flights',
      'POST /pipelines/runs/r1/resume?workspace=flights'
    ]);
  });
});

describe('starting a pipeline', () => {
  const spec = {
    name: 'iris',
    path: 'iris.pipeline.yaml',
    description: '',
    parameters: [{ name: 'trees', type: 'integer', default: 20 }],
    steps: []
  };

  async function workspaceOf(document: object) {
    const server = new FakeServer();
    server.on('GET', '/pipelines/document', () => document);
    server.on('POST', '/pipelines/runs', ({ body }) => ({
      ...summary(),
      id: body.request_id
    }));
    const kit = await readyKit();
    const workspace = kit.workspaces.current;
    if (!workspace) {
      throw new Error('no workspace');
    }
    return { server, workspace };
  }

  it('asks for the parameters and sends one request id', async () => {
    const { server, workspace } = await workspaceOf({ spec, problems: [] });
    vi.mocked(apputils.showDialog).mockResolvedValueOnce({
      button: { accept: true }
    } as any);
    const run = await startPipeline(workspace, 'iris.pipeline.yaml', trans);
    expect(run?.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(server.bodies.at(-1)).toEqual({
      path: 'iris.pipeline.yaml',
      parameters: {},
      request_id: run?.id
    });
  });

  it('starts nothing when the person cancels', async () => {
    const { server, workspace } = await workspaceOf({ spec, problems: [] });
    vi.mocked(apputils.showDialog).mockResolvedValueOnce({
      button: { accept: false }
    } as any);
    expect(await startPipeline(workspace, 'x.pipeline.yaml', trans)).toBeNull();
    expect(server.count('POST')).toBe(0);
  });

  it('says what is wrong in the file instead of asking', async () => {
    const { workspace } = await workspaceOf({
      spec: null,
      problems: [{ message: 'Bad.', line: 2, column: 1, fix: 'Mend it.' }]
    });
    await expect(
      startPipeline(workspace, 'x.pipeline.yaml', trans)
    ).rejects.toMatchObject({ why: 'Line 2: Bad.', next: 'Mend it.' });
  });
});

describe('the activity in the status bar', () => {
  it('counts from the changes and asks for nothing', async () => {
    const server = new FakeServer();
    const kit = await readyKit();
    const model = new ActivityModel(kit.workspaces, kit.changes);
    const change = (key: string, status: string, workspace = 'flights') =>
      kit.changes.announce({
        topic: 'pipeline_run',
        key,
        workspace,
        data: { status }
      });
    change('1', 'queued');
    change('1', 'running');
    change('2', 'running');
    change('3', 'running', 'other');
    expect(model.count).toBe(2);
    change('1', 'failed');
    expect(model.count).toBe(1);
    expect(server.requests).toEqual(['GET /workspace?path=flights']);
  });

  it('begins with what the worker has to do already', async () => {
    const server = new FakeServer();
    server.on('GET', '/workspace', () =>
      workspaceState({
        worker: {
          state: 'running',
          pid: 1,
          started_at: 1,
          version: '0.1.0',
          active: 1,
          log: ''
        }
      })
    );
    server.on('GET', '/pipelines/runs', ({ url }) => ({
      items: url.searchParams.get('status') === 'running' ? [summary()] : [],
      next_page_token: ''
    }));
    const kit = await readyKit();
    const model = new ActivityModel(kit.workspaces, kit.changes);
    await waitFor(() => expect(model.count).toBe(1));
  });
});

describe('the drive of executed notebooks', () => {
  it('reads a notebook over our interface, and never writes', async () => {
    const server = new FakeServer();
    server.on('GET', '/pipelines/runs/{run_id}/steps/{step}/notebook', () => ({
      path: 'x',
      modified_at: 1,
      content: '{"cells": []}'
    }));
    const api = new ApiClient(
      ServerConnection.makeSettings({ baseUrl: 'http://lab.test/' })
    );
    const drive = new ExecutedDrive(api, trans);
    const path = executedPath({ workspace: 'a/b', run: 'r1', step: 'train' });
    expect(path).toBe('MLOpsRuns:a%2Fb/r1/train.ipynb');
    const model = await drive.get(path.slice('MLOpsRuns:'.length));
    expect(model).toMatchObject({
      name: 'train.ipynb',
      type: 'notebook',
      writable: false,
      content: { cells: [] }
    });
    expect(server.requests).toEqual([
      'GET /pipelines/runs/r1/steps/train/notebook?workspace=a%2Fb'
    ]);
    await expect(drive.save()).rejects.toMatchObject({ code: 'read-only' });
  });
});

describe('withoutAnsi', () => {
  it('removes colours', () => {
    expect(withoutAnsi('\u001b[0;31mError\u001b[0m: x')).toBe('Error: x');
  });
});
