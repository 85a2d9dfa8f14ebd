import type { Schemas } from '../api';

export type NotebookVersion = Schemas['NotebookVersion'];
export type NotebookVersionPage = Schemas['NotebookVersionPage'];
export type NotebookChanges = Schemas['NotebookChanges'];
export type NotebookDiff = Schemas['NotebookDiff'];
export type CellDiff = Schemas['CellDiff'];
export type ListedExecution = Schemas['ListedExecution'];
export type ExecutionStatus = ListedExecution['status'];
export type ExecutionDetail = Schemas['ExecutionDetail'];
export type ExecutionLinks = Schemas['ExecutionLinks'];
export type CellImpact = Schemas['CellImpact'];
export type Linked = Schemas['Linked'];
export type KeptNotebookPage = Schemas['KeptNotebookPage'];
