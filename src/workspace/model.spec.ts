import { describe, expect, it, vi } from 'vitest';
import {
  FakeServer,
  makeKit,
  problem,
  readyKit,
  workspaceState
} from '../testing/kit';
import { localPath, toServerPath, toWorkspacePath } from './paths';

describe('WorkspaceModel', () => {
  it('asks nothing before it is started', async () => {
    const server = new FakeServer();
    const { workspaces } = makeKit();
    workspaces.setLocation({ folder: 'flights', notebook: '' });
    expect(server.requests).toEqual([]);
    expect(workspaces.status).toBe('idle');
  });

  it('asks whose the folder is', async () => {
    const server = new FakeServer();
    const { workspaces } = await readyKit();
    expect(server.requests).toEqual(['GET /workspace?path=flights']);
    expect(workspaces.status).toBe('ready');
    expect(workspaces.current?.root).toBe('flights');
  });

  it('follows the person to another folder', async () => {
    const server = new FakeServer();
    const { workspaces } = await readyKit();
    server.on('GET', '/workspace', () => workspaceState({ found: false }));
    workspaces.setLocation({ folder: 'other', notebook: '' });
    await vi.waitFor(() => expect(workspaces.status).toBe('none'));
    expect(workspaces.current).toBeNull();
  });

  it('tells the notebook in front as a workspace path', async () => {
    new FakeServer();
    const { workspaces } = await readyKit();
    workspaces.setLocation({
      folder: 'flights',
      notebook: 'flights/a/train.ipynb'
    });
    expect(workspaces.notebook).toBe('a/train.ipynb');
    workspaces.setLocation({ folder: 'flights', notebook: 'else/x.ipynb' });
    expect(workspaces.notebook).toBe('');
  });

  it('shows why mlops.toml can not be read', async () => {
    const server = new FakeServer();
    server.on('GET', '/workspace', () =>
      workspaceState({
        problem: {
          code: 'invalid-config',
          what: 'mlops.toml, line 3, column 1: this can not be read.',
          why: 'w',
          next: 'n',
          details: {}
        }
      })
    );
    const { workspaces } = await readyKit();
    expect(workspaces.status).toBe('broken');
    expect(workspaces.error?.what).toContain('line 3');
  });

  it('keeps the error of a server that fails', async () => {
    const server = new FakeServer();
    server.on('GET', '/workspace', () => problem(503, { what: 'no' }));
    const { workspaces } = await readyKit();
    expect(workspaces.status).toBe('failed');
    expect(workspaces.error?.what).toBe('no');
  });

  it('makes a folder a workspace and then shows it', async () => {
    const server = new FakeServer();
    server.on('POST', '/workspace', () => workspaceState());
    const { workspaces } = makeKit();
    await workspaces.init('flights', 'My flights');
    expect(server.bodies).toContainEqual({
      path: 'flights',
      name: 'My flights'
    });
    expect(workspaces.status).toBe('ready');
  });

  it('asks once for a workspace that pages stay with', async () => {
    const server = new FakeServer();
    server.on('GET', '/workspace', ({ url }) =>
      workspaceState({ root: url.searchParams.get('path') ?? '' })
    );
    const { workspaces } = makeKit();
    const [a, b] = await Promise.all([
      workspaces.open('x'),
      workspaces.open('x')
    ]);
    expect(a).toBe(b);
    expect(server.count('GET /workspace')).toBe(1);
  });

  it('says that a workspace is gone, and asks again the next time', async () => {
    const server = new FakeServer();
    server.on('GET', '/workspace', () => workspaceState({ found: false }));
    const { workspaces } = makeKit();
    await expect(workspaces.open('x')).rejects.toMatchObject({
      code: 'not-a-workspace'
    });
    await expect(workspaces.open('x')).rejects.toThrow();
    expect(server.count('GET /workspace')).toBe(2);
  });

  it('has the server watch its workspaces again after an outage', async () => {
    const server = new FakeServer();
    const { workspaces, changes } = await readyKit();
    changes.missed.emit();
    await vi.waitFor(() => expect(server.count('GET /workspace')).toBe(2));
    expect(workspaces.status).toBe('ready');
  });
});

describe('paths', () => {
  it('go both ways below the server root', () => {
    const place = { root: 'a/w', prefix: '' };
    expect(toServerPath(place, 'n.ipynb')).toBe('a/w/n.ipynb');
    expect(toWorkspacePath(place, 'a/w/n.ipynb')).toBe('n.ipynb');
    expect(toWorkspacePath(place, 'a/wide/n.ipynb')).toBeNull();
  });

  it('go both ways where the server root lies in the workspace', () => {
    const place = { root: '', prefix: 'notebooks' };
    expect(toServerPath(place, 'notebooks/n.ipynb')).toBe('n.ipynb');
    expect(toServerPath(place, 'data/x.csv')).toBeNull();
    expect(toWorkspacePath(place, 'n.ipynb')).toBe('notebooks/n.ipynb');
  });

  it('lose the drive of a collaboration server', () => {
    expect(localPath('RTC:a/b.ipynb')).toBe('a/b.ipynb');
    expect(localPath('/')).toBe('');
  });
});
