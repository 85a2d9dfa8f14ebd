import type { TranslationBundle } from '@jupyterlab/translation';
import { useTrans } from './services';

/** Every state that anything of ours can be in. */
export type AnyStatus =
  | 'queued'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'skipped'
  | 'starting'
  | 'ready'
  | 'stopped'
  | 'interrupted'
  | 'died'
  | 'cached';

/** A status in words. */
export function statusLabel(
  status: AnyStatus,
  trans: TranslationBundle
): string {
  switch (status) {
    case 'queued':
      return trans.__('Queued');
    case 'running':
      return trans.__('Running');
    case 'succeeded':
      return trans.__('Succeeded');
    case 'failed':
      return trans.__('Failed');
    case 'cancelled':
      return trans.__('Cancelled');
    case 'skipped':
      return trans.__('Skipped');
    case 'starting':
      return trans.__('Starting');
    case 'ready':
      return trans.__('Ready');
    case 'stopped':
      return trans.__('Stopped');
    case 'interrupted':
      return trans.__('Interrupted');
    case 'died':
      return trans.__('Died with its kernel');
    case 'cached':
      return trans.__('From the cache');
  }
}

/** One shape per status, so that it can be told without its colour. */
const SHAPES: Record<AnyStatus, JSX.Element> = {
  queued: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 4.5V8l2.5 1.5" />
    </>
  ),
  running: <path d="M8 2a6 6 0 1 1-6 6" />,
  starting: <path d="M8 2a6 6 0 1 1-6 6" />,
  succeeded: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m5 8.2 2.2 2.2L11 6" />
    </>
  ),
  ready: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m5 8.2 2.2 2.2L11 6" />
    </>
  ),
  failed: (
    <>
      <path d="M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5z" />
      <path d="m6 6 4 4m0-4-4 4" />
    </>
  ),
  cancelled: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m4 12 8-8" />
    </>
  ),
  stopped: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M6 6h4v4H6z" />
    </>
  ),
  interrupted: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M6.5 5.5v5m3-5v5" />
    </>
  ),
  died: <path d="M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z" />,
  cached: (
    <>
      <ellipse cx="8" cy="4" rx="5" ry="2" />
      <path d="M3 4v8c0 1.1 2.200 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.200 2 5 2s5-.9 5-2" />
    </>
  ),
  skipped: <path d="m3 4 5 4-5 4zm6 0 4 4-4 4" />
};

interface IProps {
  status: AnyStatus;
  /** Only the shape; the word is left to screen readers and the tooltip. */
  compact?: boolean;
}

/** A status as shape and word. */
export function StatusBadge(props: IProps): JSX.Element {
  const { status, compact } = props;
  const label = statusLabel(status, useTrans());
  return (
    <span
      className="jp-mlops-Status"
      data-status={status}
      title={compact ? label : undefined}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        {SHAPES[status]}
      </svg>
      <span className={compact ? 'jp-mlops-Hidden' : undefined}>{label}</span>
    </span>
  );
}
