import type { Schemas } from '../api';

export type RegisteredModel = Schemas['RegisteredModel'];
export type ModelDetail = Schemas['ModelDetail'];
export type ModelVersion = Schemas['ModelVersion'];
export type ModelPage = Schemas['ModelPage'];
export type TensorSpec = Schemas['TensorSpec'];
