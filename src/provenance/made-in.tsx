import { useEffect, useState } from 'react';
import { CommandIDs } from '../commands';
import { Link, useServices } from '../components';
import type { IWorkspace } from '../workspace/tokens';
import type { RecordedExecution } from './types';

/** Cells that are named. */
const SHOWN = 5;

interface IProps {
  workspace: IWorkspace;
  kind: 'run' | 'model_version' | 'endpoint';
  /** As in lineage: a run id, `name/version`, a name. */
  thing: string;
  /** When this changes it is asked again. */
  state?: unknown;
}

/** The cells in which a run, a model version, an endpoint was made; each leads to the cell in its notebook. */
export function MadeIn(props: IProps): JSX.Element | null {
  const { workspace, kind, thing, state } = props;
  const { commands, trans } = useServices();
  const [cells, setCells] = useState<RecordedExecution[] | null>(null);
  useEffect(() => {
    let gone = false;
    workspace.client
      .get('/cells/made-in', { query: { kind, key: thing } })
      // The page says what matters; this is more of it.
      .then(found => !gone && setCells(found.items))
      .catch(() => !gone && setCells([]));
    return () => {
      gone = true;
    };
  }, [workspace, kind, thing, state]);
  if (!cells) {
    return null;
  }
  if (!cells.length) {
    return (
      <span className="jp-mlops-Muted">{trans.__('no cell is recorded')}</span>
    );
  }
  const path = cells[0]?.notebook ?? '';
  return (
    <>
      <ul
        className="jp-mlops-MadeIn"
        aria-label={trans.__('Cells in which it was made')}
      >
        {cells.slice(0, SHOWN).map(cell => (
          <li key={cell.id}>
            <code>{trans.__('In [%1]', cell.count)}</code>{' '}
            <Link
              title={trans.__('Open %1 at this cell', cell.notebook)}
              onClick={() => {
                void commands.execute(CommandIDs.showCell, {
                  path: cell.notebook,
                  cell: cell.cell_id,
                  count: String(cell.count),
                  workspace: workspace.root
                });
              }}
            >
              {cell.title || trans.__('(an empty cell)')}
            </Link>{' '}
            <span className="jp-mlops-Muted">{cell.notebook}</span>
          </li>
        ))}
      </ul>
      {path && (
        <Link
          title={trans.__(
            'Highlight the cells that made it, and no other, in %1',
            path
          )}
          onClick={() => {
            void commands.execute(CommandIDs.showSlice, {
              name: sliceName(kind, thing),
              path,
              workspace: workspace.root
            });
          }}
        >
          {trans.__('Show the slice')}
        </Link>
      )}
    </>
  );
}

/** What a slice of it is asked for by. */
function sliceName(kind: IProps['kind'], thing: string): string {
  return {
    run: thing,
    model_version: `models:/${thing}`,
    endpoint: `endpoint:${thing}`
  }[kind];
}
