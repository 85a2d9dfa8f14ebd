import { ServerConnection } from '@jupyterlab/services';
import { describe, expect, it, vi } from 'vitest';
import { FakeServer, problem } from '../testing/kit';
import { VERSION } from '../version';
import packageJson from '../../package.json';
import { ApiClient, MlopsError, WorkspaceClient } from '.';

function client(baseUrl = 'http://lab.test/'): ApiClient {
  return new ApiClient(ServerConnection.makeSettings({ baseUrl }));
}

describe('ApiClient', () => {
  it('keeps a base URL with %40 as it is', () => {
    const url = client('http://lab.test/user/me%40here.org/').url('/health');
    expect(url).toBe(
      'http://lab.test/user/me%40here.org/jupyter-mlops/api/health'
    );
  });

  it('quotes names in the path, slashes and dots included', () => {
    const url = client().url('/registry/models/{name}', {
      path: { name: '../a b/ü' }
    });
    expect(url).toMatch(/\/registry\/models\/\.\.%2Fa%20b%2F%C3%BC$/);
  });

  it('names the workspace in every request of a workspace', async () => {
    const server = new FakeServer();
    server.on('GET', '/tracking/runs', () => ({
      items: [],
      next_page_token: ''
    }));
    const bound = new WorkspaceClient(client(), 'my flights');
    const page = await bound.get('/tracking/runs', {
      query: { filter: 'a&b' }
    });
    expect(page.items).toEqual([]);
    expect(server.requests).toEqual([
      'GET /tracking/runs?filter=a%26b&workspace=my+flights'
    ]);
  });

  it('returns undefined for an answer without a body', async () => {
    const server = new FakeServer();
    server.on('DELETE', '/tracking/runs/{run_id}', () => undefined);
    const bound = new WorkspaceClient(client(), '');
    const answer = await bound.delete('/tracking/runs/{run_id}', {
      path: { run_id: '1' }
    });
    expect(answer).toBeUndefined();
  });

  it('throws problem details as what, why and next', async () => {
    const server = new FakeServer();
    server.on('GET', '/health', () =>
      problem(507, {
        code: 'disk-full',
        what: 'Could not write.',
        why: 'The disk is full.',
        next: 'Free some space.',
        details: { path: '/x' }
      })
    );
    const error = await client()
      .get('/health', {})
      .catch(e => e);
    expect(error).toBeInstanceOf(MlopsError);
    expect(error).toMatchObject({
      status: 507,
      code: 'disk-full',
      what: 'Could not write.',
      why: 'The disk is full.',
      next: 'Free some space.',
      details: { path: '/x' }
    });
  });

  it('says that the server extension is missing where nothing of ours answers', async () => {
    new FakeServer();
    const error = await client()
      .get('/doctor', {})
      .catch(e => e);
    expect(error.code).toBe('no-server-extension');
    expect(error.next).toContain('jupyter server extension enable');
  });

  it('copes with an answer that is not JSON', async () => {
    const server = new FakeServer();
    server.on(
      'GET',
      '/health',
      () => new Response('<h1>Bad gateway</h1>', { status: 502 })
    );
    const error = await client()
      .get('/health', {})
      .catch(e => e);
    expect(error).toMatchObject({ status: 502, code: 'http-502' });
    expect(error.why).toContain('Bad gateway');
  });

  it('says a lost connection in words', async () => {
    vi.spyOn(ServerConnection, 'makeRequest').mockRejectedValue(
      new ServerConnection.NetworkError(new TypeError('Failed to fetch'))
    );
    const error = await client()
      .get('/health', {})
      .catch(e => e);
    expect(error.isConnectionLost).toBe(true);
    expect(error.next).not.toBe('');
  });

  it('leaves an aborted request an abort', async () => {
    const abort = new AbortController();
    vi.spyOn(ServerConnection, 'makeRequest').mockImplementation(async () => {
      abort.abort();
      throw new ServerConnection.NetworkError(new TypeError('aborted'));
    });
    const error = await client()
      .get('/health', { signal: abort.signal })
      .catch(e => e);
    expect(error.name).toBe('AbortError');
  });
});

describe('the version', () => {
  it("is package.json's", () => {
    expect(VERSION).toBe(packageJson.version);
  });
});
