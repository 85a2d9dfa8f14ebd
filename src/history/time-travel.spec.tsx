import * as apputils from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { execution } from '../testing/executions';
import { FakeServer, readyKit, show } from '../testing/kit';
import { createExecutionsSection } from './executions';
import type { IOpenNotebooks, NotebookContext } from './open-notebooks';
import type { IJump } from './time-travel';
import { describe as describeJump, hasState } from './time-travel';
import type { ListedExecution } from './types';

const jump: IJump = {
  state: 'e1',
  label: 'In [1]',
  title: 'step_1()',
  back: ['x', 'y'],
  gone: ['z'],
  stay: 3,
  generators: [],
  runs: [],
  lost: {},
  leaves: {}
};

/** A kernel that answers user expressions by what they call. */
class FakeKernel {
  status = 'idle';
  readonly asked: string[] = [];
  answers: Record<string, unknown> = { preview: jump, go: jump };

  requestExecute(content: {
    silent: boolean;
    user_expressions: { answer: string };
  }) {
    expect(content.silent).toBe(true);
    const call = /\)\.((preview|go)\(.*\))$/.exec(
      content.user_expressions.answer
    );
    this.asked.push(call?.[1] ?? '');
    const answer = this.answers[call?.[2] ?? ''];
    return {
      done: Promise.resolve({
        content: {
          status: 'ok',
          user_expressions: {
            answer: answer
              ? { status: 'ok', data: { 'application/json': answer } }
              : { status: 'error', evalue: "No module named 'jupyter_mlops'" }
          }
        }
      })
    };
  }
}

class FakeNotebooks implements IOpenNotebooks {
  readonly changed = new Signal<this, void>(this);
  readonly current = 'flights/train.ipynb';
  kernel: FakeKernel | null = new FakeKernel();

  find(path: string): NotebookContext | undefined {
    return path === this.current
      ? ({
          sessionContext: { session: { kernel: this.kernel } }
        } as unknown as NotebookContext)
      : undefined;
  }

  async reveal(): Promise<boolean> {
    return true;
  }
}

describe('time travel in the list of executions', () => {
  let server: FakeServer;
  let items: ListedExecution[];
  let accept: boolean;

  beforeEach(() => {
    server = new FakeServer();
    items = [execution(2), execution(1)];
    server.on('GET', '/cells/executions', () => ({
      items,
      next_page_token: ''
    }));
    accept = true;
    vi.spyOn(apputils, 'showDialog')
      .mockReset()
      .mockImplementation(async () => ({ button: { accept } }) as never);
    vi.spyOn(apputils.Notification, 'success').mockReset().mockReturnValue('');
    vi.spyOn(apputils.Notification, 'error').mockReset().mockReturnValue('');
  });

  async function open() {
    const kit = await readyKit();
    const notebooks = new FakeNotebooks();
    const Section = createExecutionsSection(kit, notebooks);
    show(kit, <Section path="train.ipynb" active />);
    await screen.findByRole('listitem', { name: 'Execution In [1]' });
    return notebooks;
  }

  const press = (name: string) =>
    fireEvent.click(screen.getByRole('button', { name }));

  it('says what changes, goes there and offers the way back', async () => {
    const { kernel } = await open();
    press('Go to the variables after In [1]');
    await waitFor(() =>
      expect(apputils.Notification.success).toHaveBeenCalled()
    );
    const { body } = vi.mocked(apputils.showDialog).mock.calls[0]?.[0] as {
      body: Widget;
    };
    const said = [...body.node.children].map(each => each.textContent);
    expect(said.slice(0, 2)).toEqual([
      '2 variables are put back: x, y.',
      '1 variable is deleted: z.'
    ]);
    expect(kernel?.asked).toEqual([
      'preview("goto", "e1")',
      'go("goto", "e1", "e1")'
    ]);
    const [message, options] = vi.mocked(apputils.Notification.success).mock
      .calls[0] as unknown as [
      string,
      { actions: { label: string; callback(): void }[] }
    ];
    expect(message).toContain('after In [1]');
    options.actions[0]?.callback();
    await waitFor(() => expect(kernel?.asked.at(-1)).toBe('go("redo", "")'));
  });

  it('changes nothing when the person says no', async () => {
    accept = false;
    const { kernel } = await open();
    press('Undo what the last cell did to the variables');
    await waitFor(() => expect(apputils.showDialog).toHaveBeenCalled());
    expect(kernel?.asked).toEqual(['preview("undo", "")']);
    expect(apputils.Notification.success).not.toHaveBeenCalled();
  });

  it.each([
    ['refused', 'There is nothing to undo.'],
    ['not there', 'keeps no states'],
    ['busy', 'A cell is running'],
    ['no kernel', 'has no kernel']
  ])('shows why it can’t: %s', async (what, said) => {
    const notebooks = await open();
    const kernel = notebooks.kernel as FakeKernel;
    if (what === 'refused') {
      kernel.answers.preview = {
        error: { what: said, why: '', next: '', code: 'no-such-state' }
      };
    } else if (what === 'not there') {
      kernel.answers = {};
    } else if (what === 'busy') {
      kernel.status = 'busy';
    } else {
      notebooks.kernel = null;
    }
    press('Undo what the last cell did to the variables');
    await waitFor(() =>
      expect(apputils.Notification.error).toHaveBeenCalledWith(
        expect.stringContaining(said),
        expect.anything()
      )
    );
    expect(apputils.showDialog).not.toHaveBeenCalled();
    expect(kernel.asked.some(call => call.startsWith('go('))).toBe(false);
  });

  it.each([true, false])(
    'deletes what can’t be put back after a yes only: %s',
    async yes => {
      accept = yes;
      const notebooks = await open();
      const kernel = notebooks.kernel as FakeKernel;
      kernel.answers.preview = { ...jump, lost: { con: 'it is a socket' } };
      press('Undo what the last cell did to the variables');
      await waitFor(() => expect(apputils.showDialog).toHaveBeenCalled());
      const shown = vi.mocked(apputils.showDialog).mock.calls[0]?.[0];
      expect(shown?.title).toBe('Put the other variables back?');
      expect((shown?.body as Widget).node.textContent).toContain(
        'con: it is a socket'
      );
      const asked = ['preview("undo", "")'];
      if (yes) {
        asked.push('go("undo", "", "e1", partly=True)');
      }
      await waitFor(() => expect(kernel.asked).toEqual(asked));
    }
  );

  it('marks what was left behind, and jumps have no state of their own', async () => {
    items = [
      execution(4),
      execution(3, { count: 0, restored: 'e1', title: '%undo', cell_id: '' }),
      execution(2, { left: true }),
      execution(1)
    ];
    await open();
    const row = (name: string) => screen.getByRole('listitem', { name });
    expect(row('Execution In [2]').textContent).toContain('left behind');
    expect(row('Execution In [4]').textContent).not.toContain('left behind');
    const own = within(row('Execution Time travel'));
    expect(own.queryByRole('button', { name: /^Go to/ })).toBeNull();
  });
});

describe('branches', () => {
  it('begin at executions, not at what runs now or ran in a step', () => {
    expect(hasState(execution(1))).toBe(true);
    expect(hasState(execution(1, { status: 'running' }))).toBe(false);
    expect(hasState(execution(1, { step: 'train' }))).toBe(false);
  });

  it('say what can’t come back and what runs again', async () => {
    const { trans } = await readyKit();
    const said = describeJump(
      {
        ...jump,
        back: [],
        gone: [],
        runs: [{ label: 'In [3]', title: 'con = connect()' }],
        leaves: { gen: 'it stands in the middle of its code' }
      },
      trans
    ).join('\n');
    expect(said).toContain('nothing has to be put back');
    expect(said).toContain('In [3] (con = connect())');
    expect(said).toContain('gen');
  });
});
