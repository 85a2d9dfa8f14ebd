/**
 * Types over the generated `paths`: which methods a path has, what an operation
 * takes and what it answers. Nothing here exists at run time.
 */
import type { components, paths } from './schema';

/** The models of the contract, by name. */
export type Schemas = components['schemas'];

export type Method = 'get' | 'post' | 'put' | 'delete';

/** The paths that have an operation for `M`. */
export type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }>
    ? P
    : never;
}[keyof paths];

type Operation<P extends keyof paths, M extends Method> = paths[P] extends {
  [K in M]: infer O;
}
  ? O
  : never;

type Json<R> = R extends { content: { 'application/json': infer B } }
  ? B
  : undefined;

type Success<R> = {
  [S in keyof R & (200 | 201 | 202 | 204)]: Json<R[S]>;
}[keyof R & (200 | 201 | 202 | 204)];

/** What an operation answers when it succeeds; undefined: 204. */
export type Answer<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { responses: infer R } ? Success<R> : never;

type PathPart<O> = O extends { parameters: { path: infer X } }
  ? X extends Record<string, unknown>
    ? { path: X }
    : { path?: undefined }
  : { path?: undefined };

type QueryOf<O> = O extends { parameters: { query?: infer Q } }
  ? NonNullable<Q>
  : never;

type IsEmpty<T> = [T] extends [never]
  ? true
  : keyof T extends never
    ? true
    : false;

type QueryPart<Q> =
  IsEmpty<Q> extends true
    ? { query?: undefined }
    : Record<never, never> extends Q
      ? { query?: Q }
      : { query: Q };

type BodyPart<O> = O extends {
  requestBody: { content: { 'application/json': infer B } };
}
  ? { body: B }
  : { body?: undefined };

interface IAbortable {
  signal?: AbortSignal;
}

/** What an operation takes. */
export type Options<P extends keyof paths, M extends Method> = PathPart<
  Operation<P, M>
> &
  QueryPart<QueryOf<Operation<P, M>>> &
  BodyPart<Operation<P, M>> &
  IAbortable;

/** What an operation takes where the client itself names the workspace. */
export type WorkspaceOptions<
  P extends keyof paths,
  M extends Method
> = PathPart<Operation<P, M>> &
  QueryPart<Omit<QueryOf<Operation<P, M>>, 'workspace'>> &
  BodyPart<Operation<P, M>> &
  IAbortable;
