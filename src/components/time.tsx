import { useTick } from './hooks';
import { formatAgo, formatDuration } from './format';

/** How long ago, with the full date on hover. `at` in seconds since the epoch. */
export function RelativeTime(props: {
  at: number | null | undefined;
}): JSX.Element | null {
  const { at } = props;
  useTick(10_000, true);
  if (at === null || at === undefined) {
    return null;
  }
  const date = new Date(at * 1000);
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {formatAgo(at, Date.now() / 1000)}
    </time>
  );
}

/** How long it took, or has taken so far. */
export function Duration(props: {
  start: number | null | undefined;
  end: number | null | undefined;
}): JSX.Element | null {
  const { start, end } = props;
  const runs = typeof start === 'number' && typeof end !== 'number';
  useTick(1000, runs);
  if (typeof start !== 'number') {
    return null;
  }
  return (
    <span className="jp-mlops-Duration">
      {formatDuration((end ?? Date.now() / 1000) - start)}
    </span>
  );
}
