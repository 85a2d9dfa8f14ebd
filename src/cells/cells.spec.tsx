import { cleanup, fireEvent, screen } from '@testing-library/react';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Topic } from '../events/tokens';
import { FakeNotebook, standing, standings } from '../testing/cells';
import { FakeServer, problem, readyKit, type IKit } from '../testing/kit';
import { noTranslation } from '../i18n';
import { Gutter } from './gutter';
import { markOf, SHAPES } from './mark';
import { StandingsModel } from './standings-model';
import type { CellStanding, CellStandings } from './types';

/** The person's settings, with the marks turned off. */
const withoutMarks = {
  composite: { showMarks: false },
  changed: new Signal({})
} as unknown as ISettingRegistry.ISettings;

vi.mock('@jupyterlab/notebook', () => ({ NotebookActions: {} }));

const STATES = '/cells/live/states';

afterEach(() => {
  cleanup();
  document.body.replaceChildren();
});

describe('a mark', () => {
  const trans = noTranslation();

  it.each([
    ['failed', { state: 'failed', reasons: ['NameError'] }],
    ['hidden', { state: 'stale', hidden: ['it reads df'], edited: true }],
    ['edited', { state: 'stale', edited: true }],
    ['stale', { state: 'stale', reasons: ['a was changed'] }],
    ['never', { state: 'never run' }],
    ['fresh', {}]
  ] as [string, Partial<CellStanding>][])(
    'is %s, by shape and in words',
    (kind, fields) => {
      const mark = markOf(standing(fields), trans);
      expect(mark.kind).toBe(kind);
      expect(mark.label).toContain(mark.title);
      for (const line of [
        ...(fields.reasons ?? []),
        ...(fields.hidden ?? [])
      ]) {
        expect(mark.label).toContain(line);
      }
    }
  );

  it('differs from every other one in shape', () => {
    expect(new Set(Object.values(SHAPES)).size).toBe(6);
  });
});

describe('how cells stand', () => {
  let server: FakeServer;
  let kit: IKit;
  let view: FakeNotebook;
  let model: StandingsModel;
  let answer: CellStandings;

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    server = new FakeServer();
    answer = standings();
    server.on('POST', STATES, () => answer);
    kit = await readyKit();
    view = new FakeNotebook();
    model = new StandingsModel(kit, view);
    await vi.advanceTimersByTimeAsync(10);
  });

  afterEach(() => {
    model.dispose();
    vi.useRealTimers();
  });

  const asked = () => server.count(`POST ${STATES}`);

  it('is asked for with what is on the screen', () => {
    expect(server.bodies.at(-1)).toEqual({
      kernel: 'k',
      cells: view.code,
      only: []
    });
    expect(model.recorded).toBe(true);
    expect(model.path).toBe('train.ipynb');
  });

  it('is asked for once after a person has typed, and not for output', async () => {
    for (let n = 0; n < 20; n++) {
      view.type(0, `x = ${n}`);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(asked()).toBe(1);
    await vi.advanceTimersByTimeAsync(700);
    expect(asked()).toBe(2);
    view.edited.emit(); // the sources are the same
    await vi.advanceTimersByTimeAsync(700);
    expect(asked()).toBe(2);
    view.ran.emit();
    for (let n = 0; n < 20_000; n++) {
      view.edited.emit(); // the output of what runs
    }
    await vi.advanceTimersByTimeAsync(200);
    expect(asked()).toBe(3);
  });

  it('waits while nobody can see the notebook', async () => {
    view.isVisible = false;
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toBe(1);
    view.isVisible = true;
    model.seen();
    await vi.advanceTimersByTimeAsync(10);
    expect(asked()).toBe(2);
  });

  it('of a kernel that is not recorded is asked for after executions alone', async () => {
    answer = standings({ recorded: false, cells: [], order: [] });
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(model.recorded).toBe(false);
    view.type(0, 'y = 1');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toBe(2);
    answer = standings();
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(model.recorded).toBe(true);
  });

  it('is forgotten when the kernel begins anew, or the server is away', async () => {
    view.restarted.emit();
    expect(model.standings).toBeNull();
    await vi.advanceTimersByTimeAsync(2000);
    expect(model.standings).not.toBeNull();
    server.on('POST', STATES, () => problem(500, { code: 'http-500' }));
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(model.standings).toBeNull();
    expect(model.failure?.code).toBe('http-500');
    server.on('POST', STATES, () => answer);
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(model.failure).toBeNull();
  });

  it('is asked for when a cell ran by another client, or variables went back', async () => {
    const change = (topic: Topic, key: string) =>
      kit.changes.announce({ topic, key });
    change('cell_execution', 'train.ipynb');
    change('cell_execution', '');
    await vi.advanceTimersByTimeAsync(200);
    expect(asked()).toBe(2);
    change('cell_execution', 'other.ipynb');
    change('run', 'train.ipynb');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toBe(2);
  });

  it('is not asked for without a kernel, and needs a workspace', async () => {
    view.kernel = '';
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(asked()).toBe(1);
    const elsewhere = new FakeNotebook();
    elsewhere.path = 'other/train.ipynb';
    const other = new StandingsModel(kit, elsewhere);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked()).toBe(1);
    expect(() => other.required).toThrow('in no workspace');
    other.dispose();
  });

  it('is drawn beside the cells, and taken away by the setting', async () => {
    const widgets = view.code.map(({ id, source }) => {
      const node = document.createElement('div');
      document.body.append(node);
      return { node, model: { id, sharedModel: { getSource: () => source } } };
    });
    const opened: string[] = [];
    const gutter = new Gutter(
      model,
      () => widgets as any,
      kit.settings,
      kit.trans,
      cell => opened.push(cell)
    );
    const marks = () => screen.queryAllByRole('button');
    expect(marks().map(mark => mark.dataset.kind)).toEqual(['fresh', 'stale']);
    expect(marks()[1]?.getAttribute('aria-label')).toMatch(/^Stale/);
    fireEvent.click(marks()[1]!);
    expect(opened).toEqual(['c2']);
    answer = standings({ cells: [standing({ cell_id: 'c2' })] });
    view.ran.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(marks().map(mark => mark.dataset.kind)).toEqual(['fresh']);
    kit.settings.connect(withoutMarks);
    expect(marks()).toEqual([]);
    gutter.dispose();
  });

  it('has no mark for a reason that is said', async () => {
    const gutter = new Gutter(
      model,
      () => [],
      kit.settings,
      kit.trans,
      () => undefined
    );
    const asked = async () => {
      view.ran.emit();
      await vi.advanceTimersByTimeAsync(200);
      return gutter.whyNone('c1');
    };
    answer = standings({ cells: [] });
    expect(await asked()).toContain('nothing is known of it yet');
    expect(gutter.whyNone('markdown')).toContain('only cells with code');
    answer = standings({ recorded: false, why: 'They are not recorded.' });
    expect(await asked()).toBe('They are not recorded.');
    server.on('POST', STATES, () =>
      problem(503, { code: 'store-unavailable', what: 'The disk is slow.' })
    );
    expect(await asked()).toMatch(/could not say.*The disk is slow/);
    view.kernel = '';
    expect(await asked()).toContain('no kernel that runs');
    view.path = 'elsewhere/train.ipynb';
    const outside = new StandingsModel(kit, view);
    const none = new Gutter(
      outside,
      () => [],
      kit.settings,
      kit.trans,
      () => undefined
    );
    expect(none.whyNone('c1')).toContain('in no workspace');
    none.dispose();
    outside.dispose();
    view.type(0, ' \n');
    expect(gutter.whyNone('c1')).toBe('it is empty.');
    kit.settings.connect(withoutMarks);
    expect(gutter.whyNone('c1')).toContain('turned off');
    gutter.dispose();
  });
});
