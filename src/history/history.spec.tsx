import * as apputils from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandIDs } from '../commands';
import { noTranslation } from '../i18n';
import { FakeServer, problem, readyKit, show } from '../testing/kit';
import { HistoryActions } from './actions';
import { DiffModel } from './diff-model';
import { DiffPage } from './diff-page';
import { HistoryModel } from './model';
import type { IOpenNotebooks, NotebookContext } from './open-notebooks';
import { HistoryView } from './panel';
import { causeLabel, changesText, formatDay } from './text';
import type { NotebookChanges, NotebookVersion } from './types';

const trans = noTranslation();

function changes(fields: Partial<NotebookChanges> = {}): NotebookChanges {
  return {
    edited: [],
    edited_count: 0,
    added: 0,
    removed: 0,
    moved: 0,
    outputs: 0,
    unknown: false,
    ...fields
  };
}

function version(
  number: number,
  fields: Partial<NotebookVersion> = {}
): NotebookVersion {
  return {
    id: `20261123-00000${number}-000000`,
    path: 'train.ipynb',
    created_at: 1_795_000_000 + number,
    cause: 'save',
    size: 1200,
    name: '',
    execution_ids: [],
    run_ids: [],
    restored_from: '',
    changes: changes({ edited: [2], edited_count: 1 }),
    digest: String(number),
    ...fields
  };
}

class FakeNotebooks implements IOpenNotebooks {
  readonly changed = new Signal<this, void>(this);
  current = 'flights/train.ipynb';
  readonly revealed: string[] = [];
  readonly context = {
    model: { dirty: false },
    isDisposed: false,
    save: vi.fn(async () => undefined),
    revert: vi.fn(async () => undefined)
  };

  find(path: string): NotebookContext | undefined {
    return path === this.current
      ? (this.context as unknown as NotebookContext)
      : undefined;
  }

  async reveal(_path: string, cell: string): Promise<boolean> {
    this.revealed.push(cell);
    return false;
  }

  go(path: string): void {
    this.current = path;
    this.changed.emit();
  }
}

describe('the words', () => {
  it('say what changed', () => {
    expect(changesText(null, trans)).toBe('first version');
    expect(changesText(changes(), trans)).toBe('no cell changed');
    expect(changesText(changes({ unknown: true }), trans)).toBe('');
    expect(
      changesText(
        changes({ edited: [3, 5], edited_count: 2, added: 1, outputs: 2 }),
        trans
      )
    ).toBe('cells 3, 5 edited; 1 added; outputs of 2 cells');
    expect(
      changesText(
        changes({ edited: [1, 2, 3, 4, 5], edited_count: 30, moved: 1 }),
        trans
      )
    ).toBe('cells 1, 2, 3, 4… edited; 1 moved');
  });

  it('say why a version was kept', () => {
    expect(causeLabel(version(1, { cause: 'open' }), trans)).toBe(
      'Changed outside'
    );
    expect(
      causeLabel(version(1, { cause: 'open', changes: null }), trans)
    ).toBe('Opened');
  });

  it('call the last two days by their names', () => {
    const noon = new Date(2026, 10, 23, 12).getTime() / 1000;
    expect(formatDay(noon - 3600, noon, trans)).toBe('Today');
    expect(formatDay(noon - 86_400, noon, trans)).toBe('Yesterday');
    expect(formatDay(noon - 5 * 86_400, noon, trans)).toContain('18');
  });
});

describe('the History panel', () => {
  let server: FakeServer;
  let items: NotebookVersion[];
  let notKept: string;

  beforeEach(() => {
    server = new FakeServer();
    items = [version(2), version(1, { changes: null, name: 'the first' })];
    notKept = '';
    server.on('GET', '/versioning/notebook/versions', ({ url }) => ({
      items: url.searchParams.get('path') === 'train.ipynb' ? items : [],
      next_page_token: '',
      path: url.searchParams.get('path'),
      exists: true,
      current: items[0]?.id ?? '',
      not_kept: notKept
    }));
    server.on('GET', '/versioning/notebooks', () => ({
      items: [
        {
          path: 'gone.ipynb',
          exists: false,
          versions: 3,
          newest: version(9).id,
          newest_at: 1
        }
      ],
      next_page_token: ''
    }));
    server.on('POST', '/versioning/notebook/restore', ({ body }) => ({
      path: body.path,
      version: version(3, { cause: 'restore' }),
      before: version(2).id
    }));
  });

  async function open() {
    const kit = await readyKit();
    const notebooks = new FakeNotebooks();
    const model = new HistoryModel(kit, notebooks);
    const actions = new HistoryActions(kit, notebooks);
    show(kit, <HistoryView model={model} actions={actions} />);
    model.setActive(true);
    return { kit, notebooks, model };
  }

  const rows = () => screen.findAllByRole('listitem', { name: /^Version of/ });

  it('lists the versions of the notebook in front and follows changes', async () => {
    const { kit } = await open();
    const [newest, oldest] = await rows();
    expect(newest?.textContent).toContain('cell 2 edited');
    expect(newest?.textContent).toContain('now');
    expect(oldest?.textContent).toContain('the first');
    const restore = within(newest as HTMLElement).getByRole('button', {
      name: /^Restore/
    });
    expect((restore as HTMLButtonElement).disabled).toBe(true);

    items = [version(3, { cause: 'execution' }), ...items];
    kit.changes.announce({ topic: 'notebook', key: 'other.ipynb' });
    kit.changes.announce({ topic: 'notebook', key: 'train.ipynb' });
    await screen.findByText('Cells ran');
    expect(server.count('GET /versioning/notebook/versions')).toBe(2);
  });

  it('asks for another notebook when that comes to the front, and for none without one', async () => {
    const { notebooks, model } = await open();
    await rows();
    model.setSearch('x');
    notebooks.go('flights/other.ipynb');
    await screen.findByText('No version yet.');
    expect(server.requests.at(-1)).toContain('path=other.ipynb&search=&');
    const before = server.count('GET /versioning/notebook/versions');
    notebooks.go('elsewhere/train.ipynb');
    await screen.findByText('No notebook of this workspace is open.');
    expect(server.count('GET /versioning/notebook/versions')).toBe(before);
  });

  it('searches and filters on the server', async () => {
    await open();
    await rows();
    items = [];
    fireEvent.change(screen.getByRole('searchbox'), {
      target: { value: 'read_csv' }
    });
    await screen.findByText('No version is like this.');
    fireEvent.change(screen.getByRole('combobox'), {
      target: { value: 'named' }
    });
    await waitFor(() =>
      expect(server.requests.at(-1)).toContain('search=read_csv')
    );
    expect(server.requests.at(-1)).toContain('named=true');
  });

  it('restores: saves what is unsaved, reloads the document, can be undone', async () => {
    const success = vi
      .spyOn(apputils.Notification, 'success')
      .mockReturnValue('');
    const { notebooks } = await open();
    notebooks.context.model.dirty = true;
    const [, oldest] = await rows();
    fireEvent.click(
      within(oldest as HTMLElement).getByRole('button', { name: /^Restore/ })
    );
    await waitFor(() => expect(notebooks.context.revert).toHaveBeenCalled());
    expect(notebooks.context.save).toHaveBeenCalledTimes(1);
    expect(server.bodies).toContainEqual({
      path: 'train.ipynb',
      version: version(1).id
    });
    const undo = success.mock.calls[0]?.[1]?.actions?.[0];
    expect(undo?.label).toBe('Undo');
    notebooks.context.model.dirty = false;
    undo?.callback(new MouseEvent('click'));
    await waitFor(() =>
      expect(server.bodies).toContainEqual({
        path: 'train.ipynb',
        version: version(2).id
      })
    );
    expect(notebooks.context.save).toHaveBeenCalledTimes(1);
  });

  it('says why a restore failed, and leaves the document', async () => {
    const failed = vi.spyOn(apputils.Notification, 'error').mockReturnValue('');
    server.on('POST', '/versioning/notebook/restore', () =>
      problem(403, { code: 'read-only', what: 'train.ipynb is read-only.' })
    );
    const { notebooks } = await open();
    const [, oldest] = await rows();
    fireEvent.click(
      within(oldest as HTMLElement).getByRole('button', { name: /^Restore/ })
    );
    await waitFor(() => expect(failed).toHaveBeenCalled());
    expect(failed.mock.calls[0]?.[0]).toBe('train.ipynb is read-only.');
    expect(notebooks.context.revert).not.toHaveBeenCalled();
  });

  it('compares, copies and names', async () => {
    server.on('POST', '/versioning/notebook/copy', () => ({
      path: 'train (1).ipynb'
    }));
    server.on('PUT', '/versioning/notebook/versions/{version}/name', () =>
      version(2, { name: 'good' })
    );
    vi.spyOn(apputils.InputDialog, 'getText').mockResolvedValue({
      button: { accept: true },
      value: ' good '
    } as any);
    const { kit } = await open();
    const [newest] = await rows();
    const button = (name: RegExp) =>
      within(newest as HTMLElement).getByRole('button', { name });
    fireEvent.click(button(/^Compare/));
    fireEvent.click(button(/as a copy$/));
    fireEvent.click(button(/^Name/));
    await waitFor(() => expect(server.bodies).toContainEqual({ name: 'good' }));
    await waitFor(() => expect(kit.executed.length).toBe(2));
    expect(kit.executed).toEqual([
      [
        CommandIDs.compareVersions,
        {
          path: 'train.ipynb',
          base: version(2).id,
          other: '',
          workspace: 'flights'
        }
      ],
      ['docmanager:open', { path: 'flights/train (1).ipynb' }]
    ]);
  });

  it('brings back a deleted notebook and opens it', async () => {
    vi.spyOn(apputils.Notification, 'success').mockReturnValue('');
    const { kit, notebooks } = await open();
    notebooks.go('');
    fireEvent.click(
      await screen.findByRole('button', { name: 'Bring back gone.ipynb' })
    );
    await waitFor(() =>
      expect(kit.executed).toEqual([
        ['docmanager:open', { path: 'flights/gone.ipynb' }]
      ])
    );
  });

  it('says why no versions are kept', async () => {
    items = [];
    notKept = 'git is not installed.';
    await open();
    await screen.findByText('git is not installed.');
    expect(screen.queryByText('No version yet.')).toBeNull();
  });
});

describe('the comparison', () => {
  it('shows changed lines with signs, and compares with another version', async () => {
    const server = new FakeServer();
    server.on('GET', '/versioning/notebook/versions', () => ({
      items: [version(3), version(2), version(1)],
      next_page_token: '',
      path: 'train.ipynb',
      exists: true,
      current: version(3).id,
      not_kept: ''
    }));
    server.on('GET', '/versioning/notebook/diff', ({ url }) => ({
      path: 'train.ipynb',
      base: url.searchParams.get('base'),
      other: url.searchParams.get('other'),
      cells: [
        {
          kind: 'changed',
          cell_type: 'code',
          base: 2,
          other: 2,
          lines: [
            { op: ' ', text: 'same' },
            { op: '-', text: 'old' },
            { op: '+', text: 'new' }
          ],
          outputs_changed: true,
          outputs_base: [],
          outputs_other: ['image/png, 3.0 kB'],
          metadata: []
        }
      ],
      same: 4,
      metadata: ['kernelspec'],
      truncated: false
    }));
    const kit = await readyKit();
    const workspace = kit.workspaces.current;
    if (!workspace) {
      throw new Error('no workspace');
    }
    const notebooks = new FakeNotebooks();
    const model = new DiffModel(
      kit,
      workspace,
      'train.ipynb',
      version(2).id,
      ''
    );
    const actions = new HistoryActions(kit, notebooks);
    show(kit, <DiffPage model={model} actions={actions} />);
    model.setActive(true);
    const cell = await screen.findByRole('region', { name: 'Cell 2 changed' });
    expect(cell.textContent).toContain('- removed: old');
    expect(cell.textContent).toContain('+ added: new');
    expect(cell.textContent).toContain('+ added: image/png, 3.0 kB');

    fireEvent.click(
      await screen.findByRole('button', {
        name: 'What did this version change?'
      })
    );
    await waitFor(() =>
      expect(server.requests.at(-1)).toContain(
        `base=${version(1).id}&other=${version(2).id}`
      )
    );
    fireEvent.change(screen.getByRole('combobox'), {
      target: { value: version(3).id }
    });
    await waitFor(() =>
      expect(server.requests.at(-1)).toContain(
        `base=${version(2).id}&other=${version(3).id}`
      )
    );
  });
});
