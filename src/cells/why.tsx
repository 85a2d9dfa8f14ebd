import type { IServices } from '../components';
import { Button, useTrans } from '../components';
import { Popup } from '../components/popup';
import type { IMark } from './mark';

/** Lines that are shown of one cell. */
const LINES = 8;

interface IWhy {
  readonly mark: IMark;
  /** How many cells are to run so that none is stale. */
  readonly stale: number;
  onRunNeeded(): void;
  onRunStale(): void;
}

/** Why a cell is marked, and what to do about it. */
export function whyPopup(options: IWhy & { services: IServices }): Popup {
  const { services, mark, stale, onRunNeeded, onRunStale } = options;
  return new Popup({
    services,
    label: mark.title,
    className: 'jp-mlops-Why',
    align: 'left',
    body: close => {
      const closing = (action: () => void) => () => {
        close();
        action();
      };
      return (
        <Why
          mark={mark}
          stale={stale}
          onRunNeeded={closing(onRunNeeded)}
          onRunStale={closing(onRunStale)}
        />
      );
    }
  });
}

function Why(props: IWhy): JSX.Element {
  const trans = useTrans();
  const { mark, stale, onRunNeeded, onRunStale } = props;
  const more = mark.lines.length - LINES;
  return (
    <>
      <p className="jp-mlops-Popup-title" data-kind={mark.kind}>
        {mark.title}
      </p>
      <ul>
        {mark.lines.slice(0, LINES).map(line => (
          <li key={line}>{line}</li>
        ))}
        {more > 0 && <li>{trans._n('and %1 more', 'and %1 more', more)}</li>}
      </ul>
      {mark.kind === 'hidden' && (
        <p className="jp-mlops-Muted">
          {trans.__(
            'It works in this kernel, and will not after a restart: let a cell above it make what it reads.'
          )}
        </p>
      )}
      <div className="jp-mlops-Actions">
        <Button onClick={onRunNeeded}>
          {trans.__('Run This Cell and What It Needs')}
        </Button>
        {stale > 0 && (
          <Button onClick={onRunStale}>
            {trans._n(
              'Run What Is Stale (%1 cell)',
              'Run What Is Stale (%1 cells)',
              stale
            )}
          </Button>
        )}
      </div>
    </>
  );
}
