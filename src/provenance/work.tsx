import {
  Button,
  Duration,
  ErrorView,
  Progress,
  RelativeTime,
  Section,
  StatusBadge,
  useTrans
} from '../components';
import type { AnyStatus } from '../components';
import { attempt } from '../components/notify';
import type { WorkspaceQuery } from '../workspace/query';

/** Lines that are listed at most. */
const SHOWN = 30;

interface IWork {
  readonly started_at: number;
  readonly ended_at: number | null;
}

/** Long work on a run: how it stands, or how it ended; nothing before it was asked for. */
export function WorkSection<T extends IWork>(props: {
  title: string;
  query: WorkspaceQuery<T | null>;
  verdict(work: T): React.ReactNode;
  /** What it is about, beside its times. */
  subject(work: T): React.ReactNode;
  children(work: T): React.ReactNode;
}): JSX.Element | null {
  const { title, query, verdict, subject, children } = props;
  const trans = useTrans();
  const { data, error } = query;
  if (error) {
    return (
      <Section title={title}>
        <ErrorView
          error={error}
          trans={trans}
          onRetry={() => void query.refresh()}
        />
      </Section>
    );
  }
  if (!data) {
    return null;
  }
  return (
    <Section title={title}>
      <p className="jp-mlops-Verification-head" role="status">
        {verdict(data)}
        <span className="jp-mlops-Muted">
          {subject(data)}
          {' · '}
          <RelativeTime at={data.started_at} />
          {' · '}
          <Duration start={data.started_at} end={data.ended_at} />
        </span>
      </p>
      {children(data)}
    </Section>
  );
}

/** What the work has found: all as it was, or not; before that, its status. */
export function Verdict<Good extends string, Bad extends string>(props: {
  status: Good | Bad | AnyStatus;
  /** The status that says that all is as it was, and the words for it. */
  good: readonly [Good, string];
  bad: readonly [Bad, string];
}): JSX.Element {
  const { status, good, bad } = props;
  switch (status) {
    case good[0]:
      return (
        <span className="jp-mlops-Verdict" data-verdict="equal">
          <span aria-hidden="true">= </span>
          {good[1]}
        </span>
      );
    case bad[0]:
      return (
        <span className="jp-mlops-Verdict" data-verdict="drifted">
          <span aria-hidden="true">≠ </span>
          {bad[1]}
        </span>
      );
    default:
      return <StatusBadge status={status as AnyStatus} />;
  }
}

/** How far the work has come, and its end by the person. */
export function Going(props: {
  done: number;
  total: number;
  label: string;
  /** `done` of `total`, in words. */
  said: string;
  cancel(): Promise<void>;
}): JSX.Element {
  const { done, total, label, said, cancel } = props;
  const trans = useTrans();
  return (
    <div className="jp-mlops-Cells">
      <Progress value={done} max={total} label={label} />
      <span>{said}</span>
      <Button onClick={() => void attempt(trans, cancel)}>
        {trans.__('Cancel')}
      </Button>
    </div>
  );
}

/** What is not as it was, a line each. */
export function Lines(props: { lines: readonly string[] }): JSX.Element | null {
  const { lines } = props;
  const trans = useTrans();
  return lines.length ? (
    <ul className="jp-mlops-Verification-lines">
      {lines.slice(0, SHOWN).map(line => (
        <li key={line}>{line}</li>
      ))}
      {lines.length > SHOWN && (
        <li>{trans.__('and %1 more', lines.length - SHOWN)}</li>
      )}
    </ul>
  ) : null;
}
