import { NotebookActions } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer, problem, readyKit } from '../testing/kit';
import { KeepExecutions } from './keep-executions';

vi.mock('@jupyterlab/notebook', async () => {
  const { Signal: Emitter } = await import('@lumino/signaling');
  return { NotebookActions: { executed: new Emitter<object, unknown>({}) } };
});

const executed = (NotebookActions as any).executed as Signal<object, unknown>;

describe('what ran and is not saved', () => {
  let server: FakeServer;
  let content = {};

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    server = new FakeServer();
    server.on('POST', '/versioning/notebook/versions', () => ({}));
    content = { cells: [1] };
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  async function watch(path = 'flights/train.ipynb') {
    const kit = await readyKit();
    const notebook = {};
    const model = { dirty: true, toJSON: () => content };
    const panel = {
      content: notebook,
      context: { path, model, isDisposed: false }
    };
    const tracker = { find: (test: any) => (test(panel) ? panel : undefined) };
    const keeper = new KeepExecutions(kit, tracker as any);
    const run = () => executed.emit({ notebook, cell: {}, success: true });
    const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms);
    const sent = () =>
      server.count('POST /versioning/notebook/versions?workspace=flights');
    return { keeper, run, wait, sent, model };
  }

  it('is sent once for a run of cells, then at intervals, the last state always', async () => {
    const { keeper, run, wait, sent } = await watch();
    for (let n = 0; n < 50; n++) {
      run();
      await wait(10);
    }
    await wait(1000);
    expect(sent()).toBe(1);
    expect(server.bodies.at(-1)).toEqual({
      path: 'train.ipynb',
      content: { cells: [1] },
      cause: 'execution',
      execution_id: '',
      name: ''
    });
    for (let n = 0; n < 300; n++) {
      content = { cells: [n] };
      run();
      await wait(100);
    }
    await wait(20_000);
    expect(sent()).toBeGreaterThan(2);
    expect(sent()).toBeLessThan(6);
    expect((server.bodies.at(-1) as any).content).toEqual({ cells: [299] });
    keeper.dispose();
  });

  it('is not sent where it is saved, elsewhere, or gone', async () => {
    const saved = await watch();
    saved.model.dirty = false;
    saved.run();
    await saved.wait(5000);
    saved.keeper.dispose();
    const elsewhere = await watch('other/train.ipynb');
    elsewhere.run();
    await elsewhere.wait(5000);
    elsewhere.keeper.dispose();
    executed.emit({ notebook: {}, cell: {}, success: true });
    await elsewhere.wait(5000);
    expect(server.count('POST')).toBe(0);
  });

  it('leaves a server alone that keeps none', async () => {
    server.on('POST', '/versioning/notebook/versions', () =>
      problem(501, { code: 'missing-program', what: 'git is not installed.' })
    );
    const { keeper, run, wait, sent } = await watch();
    for (let n = 0; n < 20; n++) {
      run();
      await wait(10_000);
    }
    expect(sent()).toBe(1);
    keeper.dispose();
  });

  it('is not sent where it is larger than the server takes', async () => {
    content = { cells: ['x'.repeat(16_000_000)] };
    const { keeper, run, wait, sent } = await watch();
    run();
    await wait(5000);
    expect(sent()).toBe(0);
    keeper.dispose();
  });
});
