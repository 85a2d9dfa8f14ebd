import { Token } from '@lumino/coreutils';
import type { ApiClient } from './client';

export type IApiClient = ApiClient;

export const IApiClient = new Token<IApiClient>(
  'jupyter-mlops:IApiClient',
  'The typed client of the server extension.'
);
