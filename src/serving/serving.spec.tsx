import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it } from 'vitest';
import { CommandIDs } from '../commands';
import { FakeServer, problem, readyKit, show } from '../testing/kit';
import { suggestedName } from './deploy';
import { EndpointModel } from './endpoint-model';
import { EndpointPage } from './endpoint-page';
import { exampleBody, fieldsOf, requestOf } from './example';
import { curlSnippet, pythonSnippet } from './snippets';
import type { Endpoint } from './types';

function endpoint(fields: Partial<Endpoint> = {}): Endpoint {
  return {
    name: 'delay',
    url: 'http://127.0.0.1:9000',
    status: 'ready',
    deployment: {
      id: 'd1',
      model: 'delay',
      version: '3',
      run_id: 'run1',
      status: 'ready',
      error: null,
      created_at: 1
    },
    pending: null,
    inputs: [
      { name: 'distance', datatype: 'double', shape: [-1], required: true },
      { name: 'hour', datatype: 'long', shape: [-1], required: true },
      { name: 'carrier', datatype: 'string', shape: [-1], required: true },
      { name: 'wet', datatype: 'boolean', shape: [-1], required: true }
    ],
    outputs: [],
    example: {
      dataframe_split: {
        columns: ['distance', 'hour', 'carrier', 'wet'],
        data: [[1400.5, 17, 'UA', false]]
      }
    },
    created_at: 1,
    updated_at: 1,
    requests: 7,
    ...fields
  };
}

describe('the form of an endpoint', () => {
  it('is typed by the signature and filled from the example', () => {
    expect(fieldsOf(endpoint()).map(f => [f.name, f.type, f.default])).toEqual([
      ['distance', 'number', 1400.5],
      ['hour', 'integer', 17],
      ['carrier', 'string', 'UA'],
      ['wet', 'boolean', false]
    ]);
  });

  it('takes any text where a value may be missing', () => {
    const [field] = fieldsOf(
      endpoint({
        inputs: [
          { name: 'dep', datatype: 'double', shape: [-1], required: true }
        ],
        example: { dataframe_split: { columns: ['dep'], data: [[null]] } }
      })
    );
    expect(field).toMatchObject({ type: 'any', default: null });
  });

  it('numbers the columns of a tensor', () => {
    const tensor = endpoint({
      inputs: [
        { name: 'x', datatype: 'float32', shape: [-1, 3], required: true }
      ],
      example: { inputs: [[1, 2, 3]] }
    });
    const fields = fieldsOf(tensor);
    expect(requestOf(fields, { 0: 1, 1: 2, 2: 3 })).toEqual({
      columns: ['0', '1', '2'],
      data: [[1, 2, 3]]
    });
    expect(exampleBody(tensor)).toEqual({ inputs: [[1, 2, 3]] });
  });

  it('comes from the signature alone where there is no example', () => {
    const bare = endpoint({ example: {} });
    expect(fieldsOf(bare).map(f => f.name)).toEqual([
      'distance',
      'hour',
      'carrier',
      'wet'
    ]);
  });
});

describe('the snippets', () => {
  it('ask the endpoint itself, quoted for the shell', () => {
    const quoted = endpoint({
      example: { dataframe_split: { columns: ['a'], data: [["it's"]] } }
    });
    expect(curlSnippet(quoted)).toContain('http://127.0.0.1:9000/invocations');
    expect(curlSnippet(quoted)).toContain("it'\\''s");
  });

  it('are Python, not JSON', () => {
    expect(pythonSnippet(endpoint())).toBe(
      'import jupyter_mlops as mlops\n\n' +
        'mlops.predict("delay", [{"distance": 1400.5, "hour": 17, "carrier": "UA", "wet": False}])'
    );
  });
});

describe('the suggested name of an endpoint', () => {
  it("is the model's, in letters that a URL can hold", () => {
    expect(suggestedName('delay@champion')).toBe('delay');
    expect(suggestedName('late flights é/3')).toBe('late-flights-');
  });
});

describe('the page of an endpoint', () => {
  let server: FakeServer;
  let current: Endpoint;

  beforeEach(() => {
    server = new FakeServer();
    current = endpoint();
    server.on('GET', '/serving/endpoints/{endpoint}', () => current);
    server.on('POST', '/serving/endpoints/{endpoint}/predict', () => ({
      request_id: 'q1',
      endpoint: 'delay',
      deployment_id: 'd1',
      model: 'delay',
      version: '3',
      predictions: [0.25],
      milliseconds: 3.2
    }));
  });

  async function open() {
    const kit = await readyKit();
    const workspace = kit.workspaces.current;
    if (!workspace) {
      throw new Error('no workspace');
    }
    const model = new EndpointModel(kit, workspace, 'delay');
    show(kit, <EndpointPage model={model} />);
    model.setActive(true);
    const page = await screen.findByRole('article', { name: 'Endpoint delay' });
    await within(page).findByText('Ask');
    return { kit, page };
  }

  it('asks with what the person typed and shows the answer', async () => {
    const { page } = await open();
    fireEvent.change(within(page).getByLabelText('hour'), {
      target: { value: '6' }
    });
    fireEvent.click(within(page).getByText('Ask'));
    expect((await within(page).findByText('0.25')).tagName).toBe('OUTPUT');
    expect(server.bodies).toContainEqual({
      columns: ['distance', 'hour', 'carrier', 'wet'],
      data: [[1400.5, 6, 'UA', false]]
    });
    expect(page.textContent).toContain('delay, version 3, in 3.2 ms');
  });

  it('does not ask with a value that does not fit', async () => {
    const { page } = await open();
    fireEvent.change(within(page).getByLabelText('hour'), {
      target: { value: 'noon' }
    });
    const ask = within(page).getByText('Ask') as HTMLButtonElement;
    await waitFor(() => expect(ask.disabled).toBe(true));
    expect(page.textContent).toContain('A whole number is needed.');
  });

  it('says why the endpoint did not answer', async () => {
    server.on('POST', '/serving/endpoints/{endpoint}/predict', () =>
      problem(502, { what: 'It does not answer.', next: 'Start it.' })
    );
    const { page } = await open();
    fireEvent.click(within(page).getByText('Ask'));
    expect((await within(page).findByRole('alert')).textContent).toContain(
      'Start it.'
    );
  });

  it('leads from the answer back to notebook and run', async () => {
    server.on('GET', '/serving/requests/{request_id}/trace', () => ({
      start: { kind: 'prediction', key: 'q1', label: 'prediction', data: {} },
      nodes: [
        { kind: 'model_version', key: 'a/b/3', label: 'a/b 3', data: {} },
        { kind: 'run', key: 'run1', label: 'forest', data: {} },
        { kind: 'notebook', key: 'train.ipynb', label: '', data: {} },
        { kind: 'snapshot', key: 'abc', label: 'abc', data: {} }
      ],
      edges: [],
      truncated: false
    }));
    const { kit, page } = await open();
    fireEvent.click(within(page).getByText('Ask'));
    fireEvent.click(await within(page).findByText('What led to this?'));
    const list = await within(page).findByRole('list', {
      name: 'What led to this'
    });
    expect(within(list).getAllByRole('listitem')).toHaveLength(5);
    fireEvent.click(within(list).getByText('a/b 3'));
    fireEvent.click(within(list).getByText('train.ipynb'));
    expect(kit.executed).toEqual([
      [CommandIDs.openModel, { name: 'a/b', workspace: 'flights' }],
      [CommandIDs.openPath, { path: 'train.ipynb', workspace: 'flights' }]
    ]);
  });

  it('waits a moment for the request log, then says that there is nothing', async () => {
    let asked = 0;
    server.on('GET', '/serving/requests/{request_id}/trace', () => {
      asked += 1;
      return asked === 1
        ? problem(404, { code: 'not-found', what: 'Not logged.' })
        : problem(503, { code: 'store-unavailable', what: 'Locked.' });
    });
    const { page } = await open();
    fireEvent.click(within(page).getByText('Ask'));
    fireEvent.click(await within(page).findByText('What led to this?'));
    expect(
      (await within(page).findByRole('alert', {}, { timeout: 3000 }))
        .textContent
    ).toContain('Locked.');
    expect(asked).toBe(2);
  });

  it('keeps what was typed when the endpoint changes its state', async () => {
    const { kit, page } = await open();
    fireEvent.change(within(page).getByLabelText('hour'), {
      target: { value: '5' }
    });
    current = endpoint({ status: 'stopped' });
    kit.changes.announce({ topic: 'endpoint', key: 'delay' });
    await within(page).findByText('Stopped');
    const field = within(page).getByLabelText('hour') as HTMLInputElement;
    expect(field.value).toBe('5');
    expect((within(page).getByText('Ask') as HTMLButtonElement).disabled).toBe(
      true
    );
  });

  it('shows why a newer version did not take over', async () => {
    current = endpoint({
      pending: {
        id: 'd2',
        model: 'delay',
        version: '4',
        run_id: '',
        status: 'failed',
        error: {
          code: 'serving-failed',
          what: 'Version 4 did not start.',
          why: '',
          next: '',
          details: {}
        },
        created_at: 2
      }
    });
    const { page } = await open();
    expect(within(page).getByRole('alert').textContent).toContain(
      'Version 4 did not start.'
    );
  });
});
