import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { noTranslation } from '../i18n';
import { fromProblem, isAbort, MlopsError } from './errors';
import type {
  Answer,
  Method,
  Options,
  PathsWith,
  WorkspaceOptions
} from './operations';

/** Below the server's base URL; the same as `PREFIX` in `extension/routing.py`. */
const PREFIX = 'jupyter-mlops/api';

/** The options of one request, as untyped as the wire is. */
interface IRequest {
  path?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, unknown>>;
  body?: unknown;
  signal?: AbortSignal;
}

/**
 * The server extension's HTTP interface, typed from its OpenAPI document.
 *
 * Every failure is thrown as an {@link MlopsError}, save a request that its
 * caller aborted: that one stays an `AbortError`.
 */
export class ApiClient {
  constructor(
    readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings(),
    private readonly trans: TranslationBundle = noTranslation()
  ) {}

  get<P extends PathsWith<'get'>>(
    path: P,
    options: Options<P, 'get'>
  ): Promise<Answer<P, 'get'>> {
    return this.request('get', path, options as IRequest);
  }

  post<P extends PathsWith<'post'>>(
    path: P,
    options: Options<P, 'post'>
  ): Promise<Answer<P, 'post'>> {
    return this.request('post', path, options as IRequest);
  }

  put<P extends PathsWith<'put'>>(
    path: P,
    options: Options<P, 'put'>
  ): Promise<Answer<P, 'put'>> {
    return this.request('put', path, options as IRequest);
  }

  delete<P extends PathsWith<'delete'>>(
    path: P,
    options: Options<P, 'delete'>
  ): Promise<Answer<P, 'delete'>> {
    return this.request('delete', path, options as IRequest);
  }

  /** The URL of an operation. */
  url(path: string, request: IRequest = {}): string {
    // Put together by hand: URLExt.join would resolve `..` in a quoted name
    // and has decoded `%40` in base URLs.
    const base = this.settings.baseUrl.replace(/\/+$/, '');
    const filled = path.replace(/{(\w+)}/g, (_, name: string) =>
      encodeURIComponent(request.path?.[name] ?? '')
    );
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined && value !== null) {
        query.append(key, String(value));
      }
    }
    const search = query.toString();
    return `${base}/${PREFIX}${filled}${search ? `?${search}` : ''}`;
  }

  /** Send any request; the typed methods above are the way in. */
  async request<T>(
    method: Method,
    path: string,
    request: IRequest = {}
  ): Promise<T> {
    const init: RequestInit = {
      method: method.toUpperCase(),
      signal: request.signal ?? null
    };
    if (request.body !== undefined) {
      init.body = JSON.stringify(request.body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(
        this.url(path, request),
        init,
        this.settings
      );
    } catch (error) {
      if (isAbort(error) || request.signal?.aborted) {
        throw new DOMException('The request was given up.', 'AbortError');
      }
      throw this.connectionLost(error);
    }
    const body = await readBody(response);
    if (!response.ok) {
      throw this.failed(response, body);
    }
    return body as T;
  }

  private failed(response: Response, body: unknown): MlopsError {
    const error = fromProblem(response.status, response.statusText, body);
    if (response.status === 404 && error.code === 'http-404') {
      return new MlopsError(
        {
          code: 'no-server-extension',
          what: this.trans.__('The MLOps server extension does not answer.'),
          why: this.trans.__('It is not installed or not enabled here.'),
          next: this.trans.__(
            'Run "jupyter server extension enable jupyter_mlops" and start JupyterLab again.'
          )
        },
        404
      );
    }
    return error;
  }

  private connectionLost(error: unknown): MlopsError {
    return new MlopsError({
      code: 'no-connection',
      what: this.trans.__('The Jupyter server does not answer.'),
      why: error instanceof Error ? error.message : String(error),
      next: this.trans.__(
        'See whether it still runs. Work that has begun goes on without it.'
      )
    });
  }
}

/** {@link ApiClient}, with every request going to one workspace. */
export class WorkspaceClient {
  constructor(
    readonly api: ApiClient,
    /** The workspace's folder, below the server's root; empty: the root. */
    readonly workspace: string
  ) {}

  get<P extends PathsWith<'get'>>(
    path: P,
    options?: WorkspaceOptions<P, 'get'>
  ): Promise<Answer<P, 'get'>> {
    return this.api.request('get', path, this.bind(options));
  }

  post<P extends PathsWith<'post'>>(
    path: P,
    options?: WorkspaceOptions<P, 'post'>
  ): Promise<Answer<P, 'post'>> {
    return this.api.request('post', path, this.bind(options));
  }

  put<P extends PathsWith<'put'>>(
    path: P,
    options?: WorkspaceOptions<P, 'put'>
  ): Promise<Answer<P, 'put'>> {
    return this.api.request('put', path, this.bind(options));
  }

  delete<P extends PathsWith<'delete'>>(
    path: P,
    options?: WorkspaceOptions<P, 'delete'>
  ): Promise<Answer<P, 'delete'>> {
    return this.api.request('delete', path, this.bind(options));
  }

  private bind(options: unknown): IRequest {
    const request = (options ?? {}) as IRequest;
    return {
      ...request,
      query: { ...request.query, workspace: this.workspace }
    };
  }
}

async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!text) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 500) };
  }
}
