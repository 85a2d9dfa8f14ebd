import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import { localPath } from '../workspace/paths';

/** How long a cell that was looked for stands out, ms. */
const SHOWN_MS = 3000;

interface ITarget {
  /** Workspace path of the notebook. */
  readonly path: string;
  /** Its id; empty: that of the execution. */
  readonly cell: string;
  readonly execution: string;
  /** Number of the execution, for what is said where the cell is gone. */
  readonly count: string;
  /** Root of the workspace; undefined: the current one. */
  readonly workspace: string | undefined;
}

/** Open a notebook at a cell, and let the cell stand out. */
export async function showCell(
  services: IServices,
  tracker: INotebookTracker,
  target: ITarget
): Promise<void> {
  const { commands, trans, workspaces } = services;
  const { path, count, execution } = target;
  const root = target.workspace ?? workspaces.current?.root ?? '';
  const workspace = await workspaces.open(root);
  const cell =
    target.cell ||
    (
      await workspace.client.get('/cells/executions/{execution}', {
        path: { execution }
      })
    ).cell_id;
  const panel = await openNotebook(services, tracker, path, root);
  if (panel && !(await reveal(panel, cell))) {
    Notification.warning(
      trans.__('The cell of In [%1] is no longer in %2.', count, path),
      {
        autoClose: 8000,
        actions: [
          {
            label: trans.__('Show its code'),
            caption: trans.__('Show the execution in the History panel'),
            callback: () => {
              void commands.execute(CommandIDs.openHistory);
            }
          }
        ]
      }
    );
  }
}

/** Open a notebook of a workspace; null: it could not be opened, which has been said. */
export async function openNotebook(
  services: IServices,
  tracker: INotebookTracker,
  path: string,
  root: string
): Promise<NotebookPanel | null> {
  const workspace = await services.workspaces.open(root);
  await services.commands.execute(CommandIDs.openPath, {
    path,
    workspace: root
  });
  const labPath = workspace.toLab(path);
  const panel = tracker.find(each => localPath(each.context.path) === labPath);
  await panel?.context.ready;
  await panel?.revealed;
  return panel ?? null;
}

async function reveal(panel: NotebookPanel, cell: string): Promise<boolean> {
  const notebook = panel.content;
  const index = notebook.widgets.findIndex(each => each.model.id === cell);
  const widget = notebook.widgets[index];
  if (!cell || !widget) {
    return false;
  }
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  await notebook.scrollToItem(index, 'smart');
  notebook.node.focus({ preventScroll: true });
  widget.addClass('jp-mlops-mod-found');
  setTimeout(() => {
    if (!widget.isDisposed) {
      widget.removeClass('jp-mlops-mod-found');
    }
  }, SHOWN_MS);
  return true;
}
