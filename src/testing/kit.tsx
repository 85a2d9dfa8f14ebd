/** What the unit tests share: a server of answers, changes on demand, services. Not part of the build. */
import { ServerConnection } from '@jupyterlab/services';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { render } from '@testing-library/react';
import { vi } from 'vitest';
import { ApiClient, type Schemas } from '../api';
import { ServicesProvider, type IServices } from '../components/services';
import type { IChange, IChanges } from '../events/tokens';
import { noTranslation } from '../i18n';
import { MlopsSettings } from '../settings/model';
import { WorkspaceModel } from '../workspace/model';

type Handler = (request: {
  url: URL;
  body: any;
  match: RegExpMatchArray;
}) => unknown;

/** Answers requests in place of the server, and remembers them. */
export class FakeServer {
  constructor() {
    vi.spyOn(ServerConnection, 'makeRequest').mockImplementation(
      async (url, init) => this.answer(url, init)
    );
    this.on('GET', '/workspace', () => workspaceState());
    this.on('GET', '/health', () => ({ version: '0.1.0' }));
  }

  /** `METHOD /path?query` of each request so far. */
  readonly requests: string[] = [];
  readonly bodies: unknown[] = [];

  /** Answer this operation from now on. */
  on(method: string, path: string, handler: Handler): void {
    const pattern = new RegExp(
      `^${path.replace(/\{\w+\}/g, '([^/]+)')}$`.replace(/\./g, '\\.')
    );
    this._handlers.unshift({ method, pattern, handler });
  }

  count(start: string): number {
    return this.requests.filter(request => request.startsWith(start)).length;
  }

  private async answer(input: string, init: RequestInit): Promise<Response> {
    const url = new URL(input);
    const method = init.method ?? 'GET';
    const path = url.pathname.replace(/^.*\/jupyter-mlops\/api/, '');
    const body = init.body ? JSON.parse(String(init.body)) : undefined;
    this.requests.push(`${method} ${path}${url.search}`);
    this.bodies.push(body);
    for (const { method: wanted, pattern, handler } of this._handlers) {
      const match = path.match(pattern);
      if (wanted === method && match) {
        const answer = await handler({ url, body, match });
        return answer instanceof Response
          ? answer
          : new Response(answer === undefined ? null : JSON.stringify(answer), {
              status: answer === undefined ? 204 : 200
            });
      }
    }
    return new Response('not found', { status: 404 });
  }

  private _handlers: {
    method: string;
    pattern: RegExp;
    handler: Handler;
  }[] = [];
}

/** Problem details as the server sends them. */
export function problem(
  status: number,
  fields: Partial<Schemas['ProblemDetails']>
): Response {
  return new Response(JSON.stringify({ status, ...fields }), {
    status,
    headers: { 'Content-Type': 'application/problem+json' }
  });
}

/** Changes that a test announces. */
export class FakeChanges implements IChanges {
  readonly changed = new Signal<this, IChange>(this);
  readonly missed = new Signal<this, void>(this);

  announce(change: Partial<IChange>): void {
    this.changed.emit({
      workspace: 'flights',
      topic: 'run',
      key: '',
      action: 'updated',
      seq: 0,
      data: {},
      ...change
    });
  }
}

export function workspaceState(
  fields: Partial<Schemas['WorkspaceState']> = {}
): Schemas['WorkspaceState'] {
  return {
    found: true,
    root: 'flights',
    prefix: '',
    name: 'flights',
    problem: null,
    git: {
      available: true,
      reason: '',
      branch: 'main',
      commit: 'abc',
      dirty: false
    },
    worker: null,
    tracking_uri: 'mlops:',
    ...fields
  };
}

export interface IKit extends IServices {
  readonly changes: FakeChanges;
  readonly workspaces: WorkspaceModel;
  readonly settings: MlopsSettings;
  /** Commands that were executed, with their arguments. */
  readonly executed: [string, unknown][];
}

/** Services over a {@link FakeServer}, in the workspace `flights`. */
export function makeKit(): IKit {
  const changes = new FakeChanges();
  const commands = new CommandRegistry();
  const executed: [string, unknown][] = [];
  vi.spyOn(commands, 'execute').mockImplementation(async (id, args) => {
    executed.push([id, args]);
  });
  const api = new ApiClient(
    ServerConnection.makeSettings({ baseUrl: 'http://lab.test/' })
  );
  return {
    trans: noTranslation(),
    commands,
    changes,
    settings: new MlopsSettings(),
    workspaces: new WorkspaceModel(api, changes),
    fileChanged: new Signal<object, any>({}),
    themeChanged: null,
    executed
  };
}

/** {@link makeKit}, with the workspace already found. */
export async function readyKit(): Promise<IKit> {
  const kit = makeKit();
  kit.workspaces.setLocation({ folder: 'flights', notebook: '' });
  await kit.workspaces.refresh();
  return kit;
}

/** Draw something that needs the services. */
export function show(kit: IServices, element: JSX.Element) {
  return render(<ServicesProvider value={kit}>{element}</ServicesProvider>);
}

/** Give every element a size: jsdom lays nothing out, a virtual table then draws nothing. */
export function withLayout(): void {
  for (const name of ['offsetHeight', 'offsetWidth'] as const) {
    vi.spyOn(HTMLElement.prototype, name, 'get').mockReturnValue(600);
  }
}
