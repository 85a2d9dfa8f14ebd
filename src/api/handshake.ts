import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { VERSION } from '../version';
import type { ApiClient } from './client';

/**
 * Compare the server extension's version with ours, and say so where they
 * differ: one of them was updated while the other still runs.
 */
export async function checkVersions(
  api: ApiClient,
  trans: TranslationBundle
): Promise<void> {
  const { version } = await api.get('/health', {});
  if (version !== VERSION) {
    Notification.warning(
      trans.__(
        'The MLOps extension is %1 in the browser and %2 on the server. Start JupyterLab again and reload this page.',
        VERSION,
        version
      ),
      {
        autoClose: false,
        actions: [
          { label: trans.__('Reload'), callback: () => location.reload() }
        ]
      }
    );
  }
}
