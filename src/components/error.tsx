import type { TranslationBundle } from '@jupyterlab/translation';
import type { ErrorInfo } from '../api';

interface IProps {
  error: Pick<ErrorInfo, 'what' | 'why' | 'next'>;
  trans: TranslationBundle;
  onRetry?: () => void;
  children?: React.ReactNode;
}

/** An error in its three parts: what happened, why, what to do next. */
export function ErrorView(props: IProps): JSX.Element {
  const { error, trans, onRetry, children } = props;
  return (
    <div className="jp-mlops-Error" role="alert">
      <p className="jp-mlops-Error-what">{error.what}</p>
      {error.why && <p className="jp-mlops-Error-why">{error.why}</p>}
      {error.next && (
        <p className="jp-mlops-Error-next">
          <span aria-hidden="true">→ </span>
          {error.next}
        </p>
      )}
      {(onRetry || children) && (
        <div className="jp-mlops-Actions">
          {onRetry && (
            <button className="jp-mlops-Button" onClick={onRetry}>
              {trans.__('Try again')}
            </button>
          )}
          {children}
        </div>
      )}
    </div>
  );
}
