import type { Schemas } from '../api';

export type CellStanding = Schemas['CellStanding'];
export type CellStandings = Schemas['CellStandings'];
export type LiveSlice = Schemas['LiveSlice'];
export type SlicePart = Schemas['SlicePart'];
export type SliceCheckState = Schemas['SliceCheckState'];
