import * as apputils from '@jupyterlab/apputils';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandIDs } from '../commands';
import { FakeServer, readyKit, show } from '../testing/kit';
import { ModelModel } from './model-model';
import { ModelPage } from './model-page';
import { ModelsModel } from './models-model';
import { ModelsView } from './panel';
import type { ModelDetail, RegisteredModel } from './types';

const DELAY: RegisteredModel = {
  name: 'delay',
  description: 'Late or not',
  created_at: 1,
  updated_at: 2,
  aliases: { champion: '2' },
  latest_version: '2',
  versions: 2
};

function detail(): ModelDetail {
  return {
    ...DELAY,
    items: [
      {
        name: 'delay',
        version: '2',
        aliases: ['champion'],
        created_at: 2,
        run_id: 'run2',
        description: '',
        tags: {},
        inputs: [
          { name: 'hour', datatype: 'long', shape: [-1], required: true }
        ],
        outputs: [],
        flavors: ['sklearn'],
        metrics: { auc: 0.71 },
        notebook: 'train.ipynb',
        snapshot: 'abc',
        endpoints: ['delay-endpoint']
      }
    ]
  };
}

describe('the models', () => {
  it('show with aliases, open on click, and follow changes', async () => {
    const server = new FakeServer();
    server.on('GET', '/registry/models', () => ({
      items: [DELAY],
      next_page_token: ''
    }));
    const kit = await readyKit();
    const model = new ModelsModel(kit);
    show(kit, <ModelsView model={model} />);
    model.setActive(true);
    const row = await screen.findByRole('button', { name: /delay/ });
    expect(row.textContent).toContain('2 versions');
    expect(row.textContent).toContain('@champion → 2');
    fireEvent.click(row);
    expect(kit.executed).toEqual([
      [CommandIDs.openModel, { name: 'delay', workspace: 'flights' }]
    ]);
    server.on('GET', '/registry/models', () => ({
      items: [],
      next_page_token: ''
    }));
    kit.changes.announce({ topic: 'model', key: 'delay', action: 'deleted' });
    await screen.findByText('No registered model yet.');
  });
});

describe('the page of a model', () => {
  let server: FakeServer;

  beforeEach(() => {
    server = new FakeServer();
    server.on('GET', '/registry/models/{name}', () => detail());
  });

  async function open() {
    const kit = await readyKit();
    const workspace = kit.workspaces.current;
    if (!workspace) {
      throw new Error('no workspace');
    }
    const model = new ModelModel(kit, workspace, 'delay');
    show(kit, <ModelPage model={model} />);
    model.setActive(true);
    const card = await screen.findByRole('region', { name: 'Version 2' });
    return { kit, card };
  }

  it('leads to run, notebook and endpoint, and deploys', async () => {
    const { kit, card } = await open();
    expect(card.textContent).toContain('auc 0.71');
    expect(card.textContent).toContain('hour: long');
    fireEvent.click(within(card).getByText('run2'));
    fireEvent.click(within(card).getByText('train.ipynb'));
    fireEvent.click(within(card).getByText('delay-endpoint'));
    fireEvent.click(within(card).getByText('Deploy…'));
    expect(kit.executed).toEqual([
      [CommandIDs.openRun, { id: 'run2', workspace: 'flights' }],
      [CommandIDs.openPath, { path: 'train.ipynb', workspace: 'flights' }],
      [
        CommandIDs.openEndpoint,
        { name: 'delay-endpoint', workspace: 'flights' }
      ],
      [CommandIDs.deployModel, { model: 'delay/2', workspace: 'flights' }]
    ]);
  });

  it('points an alias to a version', async () => {
    server.on('PUT', '/registry/models/{name}/aliases/{alias}', () => detail());
    vi.spyOn(apputils.InputDialog, 'getText').mockResolvedValue({
      button: { accept: true },
      value: ' challenger '
    } as any);
    const { card } = await open();
    fireEvent.click(
      within(card).getByRole('button', { name: 'Set an alias of version 2' })
    );
    await waitFor(() => expect(server.count('PUT')).toBe(1));
    expect(server.requests.find(r => r.startsWith('PUT'))).toBe(
      'PUT /registry/models/delay/aliases/challenger?workspace=flights'
    );
    expect(server.bodies).toContainEqual({ version: '2' });
  });
});
