import type { Schemas } from '../api';

export type RunSummary = Schemas['RunSummary'];
export type RunDetail = Schemas['RunDetail'];
export type RunPage = Schemas['RunPage'];
export type Experiment = Schemas['Experiment'];
export type Artifact = Schemas['Artifact'];
export type MetricHistory = Schemas['MetricHistory'];
export type RunNotebook = Schemas['RunNotebook'];
