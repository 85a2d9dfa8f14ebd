import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { asMlopsError, isAbort } from '../api';

/** Show an error as a notification: what happened, and the rest behind "Details". */
export function notifyError(error: unknown, trans: TranslationBundle): void {
  if (isAbort(error)) {
    return;
  }
  const { what, why, next } = asMlopsError(error);
  const more = [why, next].filter(Boolean);
  Notification.error(what, {
    autoClose: 8000,
    actions: more.length
      ? [
          {
            label: trans.__('Details'),
            callback: () => {
              void showDialog({
                title: what,
                body: paragraphs(more),
                buttons: [Dialog.okButton({ label: trans.__('Close') })]
              });
            }
          }
        ]
      : []
  });
}

/** Run an action of a person; an error is shown, never lost. Returns undefined where it failed. */
export async function attempt<T>(
  trans: TranslationBundle,
  action: () => Promise<T>
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    notifyError(error, trans);
    return undefined;
  }
}

/** The body of a dialog: a paragraph for each part; Lab would run the lines of a text together. */
export function paragraphs(parts: readonly string[]): Widget {
  const body = new Widget();
  body.addClass('jp-mlops-Dialog');
  for (const line of parts.flatMap(part => part.split('\n'))) {
    const paragraph = document.createElement('p');
    paragraph.textContent = line;
    body.node.append(paragraph);
  }
  return body;
}

/** Ask before something is lost. */
export async function confirm(
  trans: TranslationBundle,
  title: string,
  body: string | Widget,
  accept: string
): Promise<boolean> {
  const result = await showDialog({
    title,
    body,
    // Enter loses nothing.
    defaultButton: 0,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: accept })
    ]
  });
  return result.button.accept;
}
