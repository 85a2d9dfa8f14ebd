export { ApiClient, WorkspaceClient } from './client';
export type { ErrorInfo } from './errors';
export { asMlopsError, isAbort, MlopsError } from './errors';
export { LiveQuery } from './live';
export type { Schemas } from './operations';
