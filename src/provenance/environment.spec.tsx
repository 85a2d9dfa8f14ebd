import { Notification } from '@jupyterlab/apputils';
import { fireEvent, screen, waitFor } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { noTranslation } from '../i18n';
import { FakeServer, problem, readyKit, show } from '../testing/kit';
import { EnvironmentSection } from './environment';
import { ended, showProgress } from './environment-progress';
import { ReproductionModel } from './reproduction-model';
import { RestoreForm, whatItTakes } from './restore-form';
import { details } from './restored';
import type { Rebuild, Restoration, RunEnvironment } from './types';

const PATH = '/reproduction/runs/{run_id}/rebuild';
const TOLD = { topic: 'run' as const, key: 'r1', data: { rebuild: 'x' } };

const environment: RunEnvironment = {
  run_id: 'r1',
  python: 'CPython 3.11.7',
  system: '',
  packages: 214,
  installer: 'uv'
};

const running: Rebuild = {
  run_id: 'r1',
  name: 'again',
  status: 'running',
  workflow_id: 'w',
  folder: 'restored/again/.venv',
  started_at: 1000,
  ended_at: null,
  packages_total: 214,
  packages_done: 7,
  doing: 'Prepared 7 packages',
  result: null,
  error: null
};

const different: Rebuild = {
  ...running,
  status: 'different',
  ended_at: 1020,
  result: {
    run_id: 'r1',
    name: 'again',
    status: 'different',
    folder: 'restored/again/.venv',
    installer: 'uv',
    installed: 213,
    hash_then: 'a',
    hash_now: 'b',
    packages: [
      { name: 'gone', then: '7', now: '' },
      { name: 'operating system', then: 'Debian 12', now: 'Debian 13' }
    ],
    unavailable: [{ name: 'gone', version: '7', why: 'No such version.' }],
    kernel: 'mlops-again',
    programs: ['jupyter-lab'],
    notes: []
  }
};

let server: FakeServer;
let now: Rebuild | null;

beforeEach(() => {
  vi.restoreAllMocks();
  server = new FakeServer();
  now = null;
  server.on('GET', PATH, () =>
    now ? now : problem(404, { code: 'not-found', title: 'Not yet.' })
  );
});

describe('asking for the environment', () => {
  const trans = noTranslation();

  it('says what it takes, and is off at first', async () => {
    const kit = await readyKit();
    const wish = { into: 'worktree' as const, name: '', environment: false };
    show(
      kit,
      <RestoreForm
        wish={wish}
        environment={Promise.resolve(environment)}
        trans={trans}
      />
    );
    const box: HTMLInputElement = screen.getByRole('checkbox');
    expect([box.checked, box.disabled]).toEqual([false, true]);
    await screen.findByText(/CPython 3.11.7 and 214 packages, installed by uv/);
    fireEvent.click(box);
    expect(wish.environment).toBe(true);
    // A branch alone has no folder to make it in.
    fireEvent.click(screen.getByLabelText(/On a new branch only/));
    expect([box.checked, box.disabled]).toEqual([false, true]);
    expect(screen.getByText('Only into a folder of its own.')).toBeTruthy();
    fireEvent.click(screen.getByLabelText(/Into a folder of its own/));
    expect([box.checked, box.disabled]).toEqual([true, false]);
  });

  it('says why it can not be made', () => {
    expect(whatItTakes({ ...environment, python: '' }, trans)).toContain(
      'not kept'
    );
    expect(whatItTakes({ ...environment, installer: '' }, trans)).toContain(
      'Install uv'
    );
    expect(whatItTakes('There is no run.', trans)).toBe('There is no run.');
  });

  it('is not named as left to do where it is made', () => {
    const restored = {
      run_id: 'r1',
      name: 'again',
      commit: 'c0ffee',
      folder: 'restored/again',
      environment: 'environment.txt',
      packages: [],
      data: [],
      left_out: [],
      seeds: [],
      notes: []
    } as unknown as Restoration;
    const left = (made: boolean) =>
      details(restored, trans, made).join('\n').includes('--rebuild again');
    expect([left(false), left(true)]).toEqual([true, false]);
  });
});

describe('the environment on the page of its run', () => {
  it('goes from nothing to its progress to what differs', async () => {
    const kit = await readyKit();
    server.on('POST', PATH, ({ body }) => {
      expect(body).toEqual({ name: 'again', replace: false });
      return (now = { ...running, status: 'queued' });
    });
    const model = new ReproductionModel(kit, kit.workspaces.current!, 'r1');
    model.setActive(true);
    show(kit, <EnvironmentSection model={model} />);
    await waitFor(() => expect(model.rebuild.data).toBeNull());
    expect(screen.queryByText('Environment')).toBeNull();
    await model.makeEnvironment('again', false);
    now = running;
    kit.changes.announce(TOLD);
    expect(await screen.findByText('7 of 214 packages')).toBeTruthy();
    expect(screen.getByText('Prepared 7 packages')).toBeTruthy();
    // Changes of it concern nothing else, and others not it.
    const asked = server.count('GET');
    kit.changes.announce({ topic: 'run', key: 'r1' });
    await waitFor(() => expect(server.count('GET')).toBe(asked + 1));

    now = different;
    kit.changes.announce(TOLD);
    await screen.findByText('Environment different: not all is as it was');
    const lines = screen.getAllByRole('listitem').map(each => each.textContent);
    expect(lines).toEqual([
      'gone 7 could not be installed: No such version.',
      'operating system: Debian 12 then, Debian 13 now'
    ]);
    expect(screen.getByText('mlops-again')).toBeTruthy();
    expect(
      screen.getByText(
        'JUPYTER_PATH=restored/again/.venv/share/jupyter jupyter lab'
      )
    ).toBeTruthy();
    // Again, in place of it
    server.on('POST', PATH, ({ body }) => {
      expect(body).toEqual({ name: 'again', replace: true });
      return (now = running);
    });
    fireEvent.click(screen.getByText('Make it anew'));
    // Cancelled
    fireEvent.click(await screen.findByText('Cancel'));
    server.on('POST', `${PATH}/cancel`, () => now);
    await waitFor(() =>
      expect(server.count('POST /reproduction/runs/r1/rebuild/cancel')).toBe(1)
    );
    model.dispose();
  });

  it('says what to do where it could not be made', async () => {
    const kit = await readyKit();
    now = {
      ...running,
      status: 'failed',
      ended_at: 1001,
      error: {
        code: 'disk-full',
        what: 'The environment could not be made.',
        why: 'No space is left.',
        next: 'Free some space and try again.',
        details: {}
      }
    };
    server.on('POST', PATH, () => (now = running));
    const model = new ReproductionModel(kit, kit.workspaces.current!, 'r1');
    model.setActive(true);
    show(kit, <EnvironmentSection model={model} />);
    expect((await screen.findByRole('alert')).textContent).toContain(
      '→ Free some space and try again.'
    );
    fireEvent.click(screen.getByText('Try again'));
    expect(await screen.findByText('7 of 214 packages')).toBeTruthy();
    model.dispose();
  });
});

describe('the environment while another page is in front', () => {
  it('is a notification that ends with the result', async () => {
    const kit = await readyKit();
    now = running;
    showProgress(kit, kit.workspaces.current!, { id: 'r1', name: 'forest' });
    const last = () => Notification.manager.notifications[0]!;
    await waitFor(() => expect(last().message).toContain('7 of 214 packages'));
    expect(last().type).toBe('in-progress');
    server.on('POST', `${PATH}/cancel`, () => now);
    last().options.actions![1]!.callback(new MouseEvent('click'));
    await waitFor(() =>
      expect(server.count('POST /reproduction/runs/r1/rebuild/cancel')).toBe(1)
    );
    now = different;
    kit.changes.announce(TOLD);
    await waitFor(() => expect(last().type).toBe('warning'));
    expect(last().message).toContain('2 things in it differ');
    last().options.actions![0]!.callback(new MouseEvent('click'));
    expect(kit.executed.pop()?.[1]).toMatchObject({ id: 'r1' });
    // It was the end: nothing is asked any more.
    const asked = server.requests.length;
    kit.changes.announce(TOLD);
    expect(server.requests.length).toBe(asked);
  });

  it('has words for each end', () => {
    const said = (status: Rebuild['status']) =>
      ended({ ...running, status }, 'forest', noTranslation());
    expect(said('equal').message).toContain('Environment equal');
    expect(said('cancelled').type).toBe('info');
    expect(said('failed')).toMatchObject({
      type: 'error',
      message: 'The environment of forest could not be made.'
    });
  });
});
