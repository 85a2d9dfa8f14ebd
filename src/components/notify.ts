import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
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
                body: more.join('\n\n'),
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

/** Ask before something is lost. */
export async function confirm(
  trans: TranslationBundle,
  title: string,
  body: string,
  accept: string
): Promise<boolean> {
  const result = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: accept })
    ]
  });
  return result.button.accept;
}
