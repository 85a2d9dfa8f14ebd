import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

/** What belongs to each open notebook: made when it is first asked for. */
export class PerNotebook<T> {
  /** `make` fetches the code for it, and waits for the document. */
  constructor(private readonly make: (panel: NotebookPanel) => Promise<T>) {}

  /** Get what belongs to a notebook. */
  of(panel: NotebookPanel): Promise<T> {
    let found = this._known.get(panel);
    if (!found) {
      found = this.make(panel);
      this._known.set(panel, found);
    }
    return found;
  }

  /** Get it only where it was made already, or is being made. */
  known(panel: NotebookPanel | null): Promise<T> | undefined {
    return panel ? this._known.get(panel) : undefined;
  }

  private readonly _known = new WeakMap<NotebookPanel, Promise<T>>();
}

/** Call back when another notebook comes to the front, first when Lab stands; null: none is. */
export function followFront(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  follow: (panel: NotebookPanel | null) => void
): void {
  void app.restored.then(() => {
    const call = () => {
      const panel = tracker.currentWidget;
      follow(panel && !panel.isDisposed ? panel : null);
    };
    tracker.currentChanged.connect(call);
    call();
  });
}
