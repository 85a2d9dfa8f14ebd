import type { TranslationBundle } from '@jupyterlab/translation';
import type { NotebookChanges, NotebookVersion } from './types';

/** Why a version was kept, in a word or two. */
export function causeLabel(
  version: Pick<NotebookVersion, 'cause' | 'changes'>,
  trans: TranslationBundle
): string {
  switch (version.cause) {
    case 'save':
      return trans.__('Saved');
    case 'execution':
      return trans.__('Cells ran');
    case 'restore':
      return trans.__('Restored');
    case 'open':
      return version.changes ? trans.__('Changed outside') : trans.__('Opened');
    case 'rename':
      return trans.__('Renamed');
    case 'manual':
      return trans.__('Kept');
  }
}

/** How many edited cells are named. */
const NAMED_CELLS = 4;

/** What changed against the version before, in a few words; empty: nothing is known. */
export function changesText(
  changes: NotebookChanges | null,
  trans: TranslationBundle
): string {
  if (!changes) {
    return trans.__('first version');
  }
  if (changes.unknown) {
    return '';
  }
  const { edited, edited_count: count, added, removed, moved } = changes;
  const cells =
    edited.slice(0, NAMED_CELLS).join(', ') + (count > NAMED_CELLS ? '…' : '');
  const told = [
    count === 1 && trans.__('cell %1 edited', cells),
    count > 1 && trans.__('cells %1 edited', cells),
    added > 0 && trans.__('%1 added', added),
    removed > 0 && trans.__('%1 removed', removed),
    moved > 0 && trans.__('%1 moved', moved),
    changes.outputs > 0 &&
      trans._n('output of %1 cell', 'outputs of %1 cells', changes.outputs)
  ].filter(Boolean);
  return told.join('; ') || trans.__('no cell changed');
}

/** Date and time, to the second; versions can follow each other fast. */
export function formatMoment(at: number): string {
  return new Date(at * 1000).toLocaleString(undefined, {
    dateStyle: 'medium',
    timeStyle: 'medium'
  });
}

/** Time of the day, to the second. */
export function formatClock(at: number): string {
  return new Date(at * 1000).toLocaleTimeString(undefined, {
    timeStyle: 'medium'
  });
}

/** A day in words. */
export function formatDay(
  at: number,
  now: number,
  trans: TranslationBundle
): string {
  const date = new Date(at * 1000);
  const today = new Date(now * 1000);
  const yesterday = new Date(today);
  yesterday.setDate(today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) {
    return trans.__('Today');
  }
  if (date.toDateString() === yesterday.toDateString()) {
    return trans.__('Yesterday');
  }
  return date.toLocaleDateString(undefined, { dateStyle: 'full' });
}
