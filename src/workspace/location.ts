import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { INotebookTracker } from '@jupyterlab/notebook';
import { folderOf, localPath } from './paths';
import type { WorkspaceModel } from './model';

/**
 * Tell the model where the person is: wherever they went last, the folder of a
 * notebook that they turned to or the one that the file browser shows.
 */
export function followLocation(
  model: WorkspaceModel,
  browser: IDefaultFileBrowser | null,
  notebooks: INotebookTracker | null
): void {
  const notebookPath = () =>
    localPath(notebooks?.currentWidget?.context.path ?? '');
  const browsed = () => (browser ? localPath(browser.model.path) : '');

  const onNotebook = () => {
    const notebook = notebookPath();
    model.setLocation({
      notebook,
      folder: notebook ? folderOf(notebook) : browsed()
    });
  };
  const onBrowser = () => {
    model.setLocation({ notebook: notebookPath(), folder: browsed() });
  };

  notebooks?.currentChanged.connect(onNotebook);
  browser?.model.pathChanged.connect(onBrowser);
  void browser?.model.restored.then(onBrowser);
  onBrowser();
}
