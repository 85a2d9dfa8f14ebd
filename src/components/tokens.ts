import { Token } from '@lumino/coreutils';
import type { IServices as IViewServices } from './services';

export type IMlopsServices = IViewServices;

export const IMlopsServices = new Token<IMlopsServices>(
  'jupyter-mlops:IMlopsServices',
  'What every view of the MLOps workbench uses: workspace, changes, settings, commands, translation.'
);
