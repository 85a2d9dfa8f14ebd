import type { Schemas } from '../api';

export type CellsPipeline = Schemas['CellsPipeline'];
export type ProposedStep = Schemas['ProposedStep'];
export type StepCell = Schemas['StepCell'];
export type StepChoice = Schemas['StepChoice'];
