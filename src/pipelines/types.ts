import type { Schemas } from '../api';

export type PipelineFile = Schemas['PipelineFile'];
export type PipelineRun = Schemas['PipelineRun'];
export type PipelineRunSummary = Schemas['PipelineRunSummary'];
export type PipelineRunPage = Schemas['PipelineRunPage'];
export type StepRun = Schemas['StepRun'];
export type StepRunDetail = Schemas['StepRunDetail'];
export type CellProgress = Schemas['CellProgress'];
