import type { Schemas } from '../api';

export type NotebookVersion = Schemas['NotebookVersion'];
export type NotebookVersionPage = Schemas['NotebookVersionPage'];
export type NotebookChanges = Schemas['NotebookChanges'];
export type NotebookDiff = Schemas['NotebookDiff'];
export type CellDiff = Schemas['CellDiff'];
export type KeptNotebookPage = Schemas['KeptNotebookPage'];
