import type { TranslationBundle } from '@jupyterlab/translation';
import type { CellStanding } from './types';

/** How a cell is marked; each has a shape and a colour of its own. */
export type MarkKind =
  'failed' | 'hidden' | 'edited' | 'stale' | 'never' | 'fresh';

/** Shapes in a square of 16, filled with the current colour. */
export const SHAPES: Readonly<Record<MarkKind, string>> = {
  // A cross.
  failed:
    'm4.200 2.700 3.800 3.800 3.800-3.800 1.500 1.500L9.500 8l3.800 3.800-1.500 1.500L8 9.500l-3.800 3.800-1.500-1.500L6.500 8 2.700 4.200z',
  // A ghost: what is there, and nobody made.
  hidden:
    'M8 1.500A5 5 0 0 0 3 6.500v8l1.700-1.400 1.600 1.400L8 13.100l1.700 1.400 1.600-1.400 1.700 1.400v-8a5 5 0 0 0-5-5zM6.200 5.400a1.200 1.200 0 1 1 0 2.400 1.200 1.200 0 0 1 0-2.400zm3.600 0a1.200 1.200 0 1 1 0 2.400 1.200 1.200 0 0 1 0-2.400z',
  // A pencil.
  edited:
    'm11.300 1.700 3 3-1.600 1.600-3-3zM8.800 4.200l3 3-6.900 6.900-3.600.6.600-3.600z',
  // A triangle that warns.
  stale:
    'M8 1.300 15.500 14.500H.5zM7.200 5.800v4.500h1.600V5.800zm0 5.600V13h1.600v-1.600z',
  // An empty ring.
  never:
    'M8 2.500a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11zm0 1.600a3.900 3.900 0 1 0 0 7.800 3.900 3.900 0 0 0 0-7.800z',
  // A tick.
  fresh: 'm3.200 8.300 1.300-1.300 2.300 2.300 4.700-5 1.300 1.200-6 6.400z'
};

/** What is said of one cell. */
export interface IMark {
  readonly kind: MarkKind;
  /** One word or two. */
  readonly title: string;
  /** Why, in sentences. */
  readonly lines: readonly string[];
  /** All of it, read out. */
  readonly label: string;
}

/** What a cell's mark says. */
export function markOf(
  standing: CellStanding,
  trans: TranslationBundle
): IMark {
  const kind = kindOf(standing);
  const title = titles(trans)[kind];
  const lines = [...standing.hidden, ...standing.reasons].filter(
    (line, place, all) => all.indexOf(line) === place
  );
  if (kind === 'fresh') {
    lines.push(
      trans.__('a run of the notebook from the top would give the same')
    );
  }
  return { kind, title, lines, label: `${title}: ${lines.join('; ')}` };
}

function kindOf(standing: CellStanding): MarkKind {
  if (standing.state === 'failed') {
    return 'failed';
  }
  if (standing.hidden.length) {
    return 'hidden';
  }
  if (standing.edited) {
    return 'edited';
  }
  return standing.state === 'never run' ? 'never' : standing.state;
}

function titles(trans: TranslationBundle): Record<MarkKind, string> {
  return {
    failed: trans.__('Failed'),
    hidden: trans.__('Relies on hidden state'),
    edited: trans.__('Edited since it ran'),
    stale: trans.__('Stale'),
    never: trans.__('Not run'),
    fresh: trans.__('Up to date')
  };
}
