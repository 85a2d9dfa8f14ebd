import type { Schemas } from '../api';

export type Endpoint = Schemas['Endpoint'];
export type Prediction = Schemas['Prediction'];
export type PredictRequest = Schemas['PredictRequest'];
export type Trace = Schemas['Trace'];
export type TraceNode = Schemas['Node'];
export type TensorSpec = Schemas['TensorSpec'];
