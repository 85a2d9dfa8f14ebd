import * as apputils from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeServer, problem, readyKit } from '../testing/kit';
import { ReproductionModel } from './reproduction-model';
import { takeAway } from './restored';

const WORK = 'It has 1 changed file (code.py).';

describe('taking a restored state away', () => {
  let server: FakeServer;
  let refusal: { code: string; what: string; why?: string } | null;
  let accept: boolean;

  beforeEach(() => {
    vi.restoreAllMocks();
    server = new FakeServer();
    refusal = null;
    accept = true;
    server.on('DELETE', '/reproduction/restored/{name}', ({ url }) =>
      refusal && url.searchParams.get('force') !== 'true'
        ? problem(409, refusal)
        : undefined
    );
    vi.spyOn(apputils, 'showDialog').mockImplementation(
      async () => ({ button: { accept } }) as never
    );
    for (const kind of ['info', 'error'] as const) {
      vi.spyOn(apputils.Notification, kind).mockReturnValue('');
    }
  });

  async function undo(): Promise<string[]> {
    const kit = await readyKit();
    const model = new ReproductionModel(kit, kit.workspaces.current!, 'r1');
    await takeAway(kit, model, 'again');
    model.dispose();
    return server.requests
      .filter(each => each.startsWith('DELETE'))
      .map(each => /force=(\w+)/.exec(each)?.[1] ?? '');
  }

  it('asks nothing where nobody has worked in it', async () => {
    expect(await undo()).toEqual(['false']);
    expect(apputils.showDialog).not.toHaveBeenCalled();
    expect(apputils.Notification.info).toHaveBeenCalled();
  });

  it('says what would be lost, and takes it away after a yes only', async () => {
    refusal = { code: 'worked-in', what: 'It was worked in.', why: WORK };
    accept = false;
    expect(await undo()).toEqual(['false']);
    expect(apputils.Notification.info).not.toHaveBeenCalled();
    const { body, buttons } = vi.mocked(apputils.showDialog).mock
      .calls[0]?.[0] as unknown as {
      body: Widget;
      buttons: { displayType: string; label: string }[];
    };
    const said = [...body.node.children].map(each => each.textContent);
    expect(said).toContain(WORK);
    expect(said.at(-1)).toContain('would be lost');
    expect(buttons.at(-1)).toMatchObject({
      displayType: 'warn',
      label: 'Take Away'
    });
    accept = true;
    expect(await undo()).toEqual(['false', 'false', 'true']);
    expect(apputils.Notification.info).toHaveBeenCalledTimes(1);
    expect(apputils.Notification.error).not.toHaveBeenCalled();
  });

  it('offers no way round any other refusal', async () => {
    refusal = { code: 'conflict', what: 'The branch again is checked out.' };
    expect(await undo()).toEqual(['false']);
    expect(apputils.showDialog).not.toHaveBeenCalled();
    expect(apputils.Notification.error).toHaveBeenCalledWith(
      'The branch again is checked out.',
      expect.anything()
    );
  });
});
