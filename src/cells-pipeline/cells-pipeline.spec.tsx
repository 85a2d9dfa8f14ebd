import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandIDs } from '../commands';
import { FakeServer, problem, readyKit, show } from '../testing/kit';
import { choices, merged, moved, renamed, split } from './edits';
import { CellsPipelineModel } from './model';
import { CellsPipelinePage } from './page';
import type { CellsPipeline, ProposedStep } from './types';

function step(
  name: string,
  cells: number[],
  fields: Partial<ProposedStep> = {}
): ProposedStep {
  return {
    name,
    notebook: `n-pipeline/${name}.ipynb`,
    cells: cells.map(number => ({
      id: `c${number}`,
      number,
      title: `cell ${number}`,
      role: 'own',
      why: ''
    })),
    inputs: [],
    outputs: [],
    needs: {},
    parameters: [],
    packages: [],
    notes: [],
    ...fields
  };
}

function proposal(fields: Partial<CellsPipeline> = {}): CellsPipeline {
  const train = step('train', [3, 4], {
    inputs: [
      { name: 'x', step: 'load', type: 'list', together: ['y'] },
      { name: 'y', step: 'load', type: 'list', together: ['x'] }
    ],
    notes: ['f is made again here by cell 2.']
  });
  train.cells.unshift({
    id: 'c2',
    number: 2,
    title: 'f = open("log", "a")',
    role: 'again',
    why: 'it makes f'
  });
  return {
    notebook: 'n.ipynb',
    name: 'n',
    path: 'n-pipeline/n.pipeline.yaml',
    parameters: {},
    steps: [
      step('load', [1, 2], {
        outputs: [
          { name: 'x', step: '', type: 'list', together: [] },
          { name: 'y', step: '', type: 'list', together: [] }
        ]
      }),
      train
    ],
    how: 'Steps by the tags of cells.',
    notes: ['The cells last ran in another order (2, 1).'],
    skipped: [5],
    exists: [],
    written: [],
    ...fields
  };
}

describe('edits of steps', () => {
  const steps = choices(proposal());

  it('leave out the cells of other steps', () => {
    expect(steps).toEqual([
      { name: 'load', cells: ['c1', 'c2'] },
      { name: 'train', cells: ['c3', 'c4'] }
    ]);
  });

  it('rename, merge, split and move boundaries', () => {
    expect(renamed(steps, 1, 'fit')[1]?.name).toBe('fit');
    expect(merged(steps, 0)).toEqual([
      { name: 'load', cells: ['c1', 'c2', 'c3', 'c4'] }
    ]);
    expect(merged(steps, 1)).toEqual(steps);
    expect(split(steps, 1, 'c4')).toEqual([
      steps[0],
      { name: 'train', cells: ['c3'] },
      { name: 'train-2', cells: ['c4'] }
    ]);
    expect(split(steps, 1, 'c3')).toEqual(steps);
    expect(moved(steps, 0, 'up')[1]?.cells).toEqual(['c2', 'c3', 'c4']);
    expect(moved(steps, 0, 'down')[0]?.cells).toEqual(['c1', 'c2', 'c3']);
  });

  it('drop a step that has no cell left, and find a free name', () => {
    const short = [
      { name: 'a', cells: ['c1'] },
      { name: 'a-2', cells: ['c2', 'c3'] }
    ];
    expect(moved(short, 0, 'up')).toEqual([
      { name: 'a-2', cells: ['c1', 'c2', 'c3'] }
    ]);
    expect(split(short, 1, 'c3')[2]?.name).toBe('a-3');
  });
});

describe('the page', () => {
  let server: FakeServer;

  beforeEach(() => {
    server = new FakeServer();
    server.on('POST', '/pipelines/from-cells', ({ body }) =>
      proposal(body.write ? { written: ['n-pipeline/n.pipeline.yaml'] } : {})
    );
  });

  async function open() {
    const kit = await readyKit();
    const model = new CellsPipelineModel(kit.workspaces.current!, 'n.ipynb');
    await model.propose();
    show(kit, <CellsPipelinePage model={model} />);
    return { kit, model };
  }
  const last = () => server.bodies.at(-1) as { steps: unknown; write: boolean };

  it('shows cells, what moves, and what to know', async () => {
    await open();
    const train = screen.getByRole('region', { name: 'Step train' });
    expect(within(train).getAllByText('x, y', { selector: 'dd' })).toHaveLength(
      2
    ); // taken from load, and sharing objects
    expect(within(train).getByText('runs again here: it makes f')).toBeTruthy();
    expect(
      within(train).getByText('f is made again here by cell 2.')
    ).toBeTruthy();
    expect(screen.getByText(/another order/)).toBeTruthy();
    expect(screen.getByText('Left out: cells 5')).toBeTruthy();
  });

  it('asks for a new proposal with each change', async () => {
    await open();
    fireEvent.click(
      screen.getByRole('button', { name: 'Merge load with the step below' })
    );
    await waitFor(() =>
      expect(last().steps).toEqual([
        { name: 'load', cells: ['c1', 'c2', 'c3', 'c4'] }
      ])
    );
    fireEvent.click(
      screen.getByRole('button', { name: 'Split before cell 4' })
    );
    await waitFor(() => expect(last().steps).toHaveLength(3));
    const name = screen.getByRole('textbox', { name: 'Name of step 1' });
    fireEvent.change(name, { target: { value: 'read' } });
    fireEvent.blur(name);
    await waitFor(() =>
      expect(last().steps).toMatchObject([{ name: 'read' }, { name: 'train' }])
    );
    expect(last().write).toBe(false);
  });

  it('keeps what was proposed where a change is refused', async () => {
    const { model } = await open();
    server.on('POST', '/pipelines/from-cells', () =>
      problem(422, {
        code: 'invalid-input',
        title: "'1' can't be a step's name.",
        next: 'Begin with a letter.'
      })
    );
    await model.edit(steps => renamed(steps, 0, '1'));
    expect((await screen.findByRole('alert')).textContent).toContain(
      "can't be"
    );
    expect(model.proposal?.steps[0]?.name).toBe('load');
  });

  it('writes, and leads on to the run', async () => {
    const { kit } = await open();
    const execute = vi.spyOn(kit.commands, 'execute').mockResolvedValue(null);
    fireEvent.click(screen.getByRole('button', { name: 'Write Pipeline' }));
    fireEvent.click(
      await screen.findByRole('button', { name: 'Run Pipeline…' })
    );
    expect(last()).toMatchObject({ write: true, folder: 'n-pipeline' });
    expect(execute).toHaveBeenCalledWith(CommandIDs.runPipeline, {
      path: 'n-pipeline/n.pipeline.yaml'
    });
  });

  it('asks before it replaces files', async () => {
    server.on('POST', '/pipelines/from-cells', ({ body }) =>
      body.write && !body.overwrite
        ? problem(409, {
            code: 'conflict',
            title: 'n.pipeline.yaml is there already.'
          })
        : proposal(body.write ? { written: ['a'] } : {})
    );
    await open();
    fireEvent.click(screen.getByRole('button', { name: 'Write Pipeline' }));
    fireEvent.click(await screen.findByRole('checkbox'));
    fireEvent.click(screen.getByRole('button', { name: 'Write Pipeline' }));
    await screen.findByRole('button', { name: 'Run Pipeline…' });
    expect(last()).toMatchObject({ overwrite: true });
  });
});
