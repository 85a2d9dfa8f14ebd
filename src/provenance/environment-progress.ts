import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import { attempt } from '../components/notify';
import type { IWorkspace } from '../workspace/tokens';
import { isGoing, rebuildQuery } from './reproduction-model';
import type { Rebuild } from './types';

/**
 * Show how the making of a run's environment goes on, as a notification: its
 * page is often behind the notebook that was opened. It ends with the result.
 */
export function showProgress(
  services: IServices,
  workspace: IWorkspace,
  run: { id: string; name: string }
): void {
  const { trans, commands } = services;
  const show = {
    label: trans.__('Show'),
    caption: trans.__('Open the page of the run'),
    callback: () => {
      void commands.execute(CommandIDs.openRun, {
        ...run,
        workspace: workspace.root
      });
    }
  };
  const cancel = {
    label: trans.__('Cancel'),
    caption: trans.__('Cancel making the environment'),
    callback: () => {
      void attempt(trans, () =>
        workspace.client.post('/reproduction/runs/{run_id}/rebuild/cancel', {
          path: { run_id: run.id }
        })
      );
    }
  };
  const id = Notification.emit(
    trans.__('Making the environment of %1…', run.name),
    'in-progress',
    { autoClose: false, actions: [show, cancel], progress: 0 }
  );
  const query = rebuildQuery(services, workspace, run.id);
  query.changed.connect(() => {
    const { data } = query;
    if (data === undefined || isGoing(data)) {
      if (data) {
        Notification.update({
          id,
          message: inProgress(data, run.name, trans),
          progress: data.packages_done / Math.max(1, data.packages_total),
          actions: [show, cancel],
          autoClose: false
        });
      }
      return;
    }
    query.dispose();
    if (data === null) {
      Notification.dismiss(id);
      return;
    }
    Notification.update({
      id,
      ...ended(data, run.name, trans),
      progress: undefined,
      actions: [show],
      autoClose: 20_000
    });
  });
  query.setActive(true);
}

/** How far it has come, in a sentence. */
function inProgress(
  data: Rebuild,
  name: string,
  trans: TranslationBundle
): string {
  return trans.__(
    'Making the environment of %1: %2 of %3 packages',
    name,
    data.packages_done,
    data.packages_total
  );
}

/** How it ended, in a sentence. */
export function ended(
  data: Rebuild,
  name: string,
  trans: TranslationBundle
): { message: string; type: Notification.TypeOptions } {
  switch (data.status) {
    case 'equal':
      return {
        type: 'success',
        message: trans.__(
          'Environment equal: that of %1 is in %2.',
          name,
          data.folder
        )
      };
    case 'different':
      return {
        type: 'warning',
        message: trans._n(
          'The environment of %2 was made, but %1 thing in it differs.',
          'The environment of %2 was made, but %1 things in it differ.',
          data.result?.packages.length ?? 0,
          name
        )
      };
    case 'cancelled':
      return {
        type: 'info',
        message: trans.__('Making the environment of %1 was cancelled.', name)
      };
    default:
      return {
        type: 'error',
        message:
          data.error?.what ??
          trans.__('The environment of %1 could not be made.', name)
      };
  }
}
