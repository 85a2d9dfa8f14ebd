import type { IParameter } from '../components/param-form';
import type { Endpoint, PredictRequest, TensorSpec } from './types';

/** A row to ask with: from the example that the model came with, else empty. */
export interface IExampleRow {
  readonly columns: readonly string[];
  readonly row: readonly unknown[];
}

/** Read the first row of an endpoint's example. */
export function exampleRow(endpoint: Endpoint): IExampleRow {
  const example = endpoint.example;
  const split = example.dataframe_split;
  if (isSplit(split)) {
    return { columns: split.columns.map(String), row: split.data[0] ?? [] };
  }
  const rows = example.inputs ?? example.instances;
  const first: unknown = Array.isArray(rows) ? rows[0] : undefined;
  if (Array.isArray(first)) {
    return { columns: first.map((_, index) => String(index)), row: first };
  }
  const names = endpoint.inputs.map((input, i) => input.name || String(i));
  return { columns: names, row: [] };
}

/** The fields of the form: one for each column, typed by the signature. */
export function fieldsOf(endpoint: Endpoint): IParameter[] {
  const { columns, row } = exampleRow(endpoint);
  return columns.map((name, index): IParameter => {
    const spec =
      endpoint.inputs.find(input => input.name === name) ??
      (endpoint.inputs.length === columns.length
        ? endpoint.inputs[index]
        : undefined);
    const value = row[index];
    return {
      name,
      type: typeOf(spec, value),
      default: value ?? null,
      description: spec?.datatype ?? ''
    };
  });
}

/** Put the form's values into a request. */
export function requestOf(
  fields: readonly IParameter[],
  values: Readonly<Record<string, unknown>>
): PredictRequest {
  return {
    columns: fields.map(field => field.name),
    data: [fields.map(field => values[field.name] ?? null)]
  };
}

/** The body that asks the endpoint itself, for the snippets. */
export function exampleBody(endpoint: Endpoint): unknown {
  if (Object.keys(endpoint.example).length) {
    return endpoint.example;
  }
  const { columns } = exampleRow(endpoint);
  return { dataframe_split: { columns, data: [columns.map(() => null)] } };
}

function typeOf(
  spec: TensorSpec | undefined,
  value: unknown
): IParameter['type'] {
  const name = spec?.datatype.toLowerCase() ?? '';
  // A missing value fits every type; only free text can say it.
  if (value === null || (spec && !spec.required)) {
    return /string|object|str/.test(name) && value !== null ? 'string' : 'any';
  }
  if (/bool/.test(name)) {
    return 'boolean';
  }
  if (/^(u?int|long|integer)/.test(name)) {
    return 'integer';
  }
  if (/float|double/.test(name)) {
    return 'number';
  }
  if (/string|str|object/.test(name)) {
    return 'string';
  }
  return typeof value === 'number' ? 'number' : 'any';
}

function isSplit(
  value: unknown
): value is { columns: unknown[]; data: unknown[][] } {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const split = value as Record<string, unknown>;
  return Array.isArray(split.columns) && Array.isArray(split.data);
}
