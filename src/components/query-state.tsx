import type { LiveQuery } from '../api';
import { ErrorView } from './error';
import { useTrans } from './services';

interface IProps {
  query: Pick<LiveQuery<unknown>, 'data' | 'error' | 'refresh'>;
  /** That it is loading is not read out. */
  quiet?: boolean;
}

/**
 * Stands in for an answer: why there is none, with another try, or that it is
 * coming; nothing where it is there. Whoever shows it follows the query.
 */
export function QueryState(props: IProps): JSX.Element | null {
  const { query, quiet } = props;
  const trans = useTrans();
  if (query.error) {
    return (
      <ErrorView
        error={query.error}
        trans={trans}
        onRetry={() => void query.refresh()}
      />
    );
  }
  return query.data === undefined ? <Loading quiet={quiet} /> : null;
}

/** Says that something is coming. */
export function Loading(props: { quiet?: boolean | undefined }): JSX.Element {
  const trans = useTrans();
  return (
    <p className="jp-mlops-Muted" role={props.quiet ? undefined : 'status'}>
      {trans.__('Loading…')}
    </p>
  );
}
