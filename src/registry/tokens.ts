import { Token } from '@lumino/coreutils';
import type { Widget } from '@lumino/widgets';

/** The Models panel, to which other areas add what becomes of a model. */
export interface IModelsPanel {
  /** Put a section below the models. */
  addSection(widget: Widget): void;
}

export const IModelsPanel = new Token<IModelsPanel>(
  'jupyter-mlops:IModelsPanel',
  'The Models panel: add a section about what becomes of a model.'
);
