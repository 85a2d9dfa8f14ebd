import { exampleBody, exampleRow } from './example';
import type { Endpoint } from './types';

/** A command line that asks the endpoint itself. */
export function curlSnippet(endpoint: Endpoint): string {
  const body = JSON.stringify(exampleBody(endpoint));
  const quoted = body.replace(/'/g, "'\\''");
  return [
    `curl ${endpoint.url}/invocations \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -d '${quoted}'`
  ].join('\n');
}

/** Python that asks the endpoint from a notebook of the workspace. */
export function pythonSnippet(endpoint: Endpoint): string {
  const { columns, row } = exampleRow(endpoint);
  const entries = columns.map(
    (name, index) => `${toPython(name)}: ${toPython(row[index] ?? null)}`
  );
  return [
    'import jupyter_mlops as mlops',
    '',
    `mlops.predict(${toPython(endpoint.name)}, [{${entries.join(', ')}}])`
  ].join('\n');
}

function toPython(value: unknown): string {
  if (value === null || value === undefined) {
    return 'None';
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  return JSON.stringify(value);
}
