import type { Schemas } from '../api';

export type CellFeeds = Schemas['CellFeeds'];
export type NotebookImpact = Schemas['NotebookImpact'];
export type ExecutionOrigin = Schemas['ExecutionOrigin'];
export type UsedSource = Schemas['UsedSource'];
export type Linked = Schemas['Linked'];
export type RecordedExecution = Schemas['RecordedExecution'];
export type Verification = Schemas['Verification'];
export type VerifiedCell = Schemas['VerifiedCell'];
export type InputDifference = Schemas['InputDifference'];
export type Restoration = Schemas['Restoration'];
export type RunEnvironment = Schemas['RunEnvironment'];
export type Rebuild = Schemas['Rebuild'];
export type RebuiltEnvironment = Schemas['RebuiltEnvironment'];
