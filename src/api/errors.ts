import type { components } from './schema';

/** An error as the server stores and shows it. */
export type ErrorInfo = components['schemas']['ErrorInfo'];

/**
 * What went wrong, in the three parts that every face shows.
 *
 * Made from the server's problem details (RFC 9457), from a lost connection, or
 * from anything else that was thrown.
 */
export class MlopsError extends Error {
  constructor(
    info: Partial<ErrorInfo> & { what: string },
    /** HTTP status; 0: no answer came. */
    readonly status = 0
  ) {
    super(info.what);
    this.name = 'MlopsError';
    this.code = info.code ?? 'error';
    this.what = info.what;
    this.why = info.why ?? '';
    this.next = info.next ?? '';
    this.details = info.details ?? {};
  }

  /** Stable name of the kind of error, part of the HTTP contract. */
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly next: string;
  readonly details: Readonly<Record<string, unknown>>;

  /** Whether an answer never came, so that trying again may help. */
  get isConnectionLost(): boolean {
    return this.status === 0 && this.code === 'no-connection';
  }
}

/** Whether a request was given up by its caller: nothing to tell anybody. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Bring anything that was thrown into the three parts. */
export function asMlopsError(error: unknown): MlopsError {
  if (error instanceof MlopsError) {
    return error;
  }
  const what = error instanceof Error ? error.message : String(error);
  return new MlopsError({ what, code: 'unexpected' });
}

/**
 * Read an answer that says an error.
 *
 * Answers of our routes are problem details; answers of the server around them
 * (a proxy, Jupyter Server's own 403 or 404) have whatever shape they have.
 */
export function fromProblem(
  status: number,
  statusText: string,
  body: unknown
): MlopsError {
  const problem = isRecord(body) ? body : {};
  const text = (key: string): string => {
    const value = problem[key];
    return typeof value === 'string' ? value : '';
  };
  return new MlopsError(
    {
      code: text('code') || `http-${status}`,
      what:
        text('what') ||
        text('title') ||
        text('message') ||
        `${status} ${statusText}`.trim(),
      why: text('why') || text('detail') || text('reason'),
      next: text('next'),
      details: isRecord(problem.details) ? problem.details : {}
    },
    status
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
