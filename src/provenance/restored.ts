import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { asMlopsError } from '../api';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import { attempt, confirm, paragraphs } from '../components/notify';
import type { ReproductionModel } from './reproduction-model';
import type { Restoration } from './types';

/** Say what was restored, and open it. */
export async function sayRestored(
  services: IServices,
  model: ReproductionModel,
  restored: Restoration,
  environment: boolean
): Promise<void> {
  const { trans, commands } = services;
  const { folder, notebook, name } = restored;
  if (folder && notebook) {
    await commands.execute(CommandIDs.openPath, {
      path: `${folder}/${notebook}`,
      workspace: model.workspace.root
    });
  }
  Notification.success(
    folder
      ? trans.__('The state of the run is in %1.', folder)
      : trans.__(
          'The state of the run is on the branch %1. Your files are as they were.',
          name
        ),
    {
      autoClose: 20_000,
      actions: [
        {
          label: trans.__('Details'),
          callback: () => {
            void showDialog({
              title: trans.__('Restored as %1', name),
              body: paragraphs(details(restored, trans, environment)),
              buttons: [Dialog.okButton({ label: trans.__('Close') })]
            });
          }
        },
        {
          label: trans.__('Undo'),
          caption: trans.__('Take the restored state away'),
          callback: () => {
            void takeAway(services, model, name);
          }
        }
      ]
    }
  );
}

/** Take a restored state away. One that was worked in only after the person has seen what would be lost. */
export async function takeAway(
  services: IServices,
  model: ReproductionModel,
  name: string
): Promise<void> {
  const { trans } = services;
  await attempt(trans, async () => {
    try {
      await model.undo(name);
    } catch (error) {
      const { code, why } = asMlopsError(error);
      if (code !== 'worked-in') {
        throw error;
      }
      const sure = await confirm(
        trans,
        trans.__('Take %1 away with the work in it?', name),
        paragraphs([
          trans.__('It was worked in since it was restored.'),
          why,
          trans.__(
            'What is only there would be lost, and can’t be brought back.'
          )
        ]),
        trans.__('Take Away')
      );
      if (!sure) {
        return;
      }
      await model.undo(name, true);
    }
    Notification.info(trans.__('%1 was taken away.', name), {
      autoClose: 5000
    });
  });
}

/** What a restoration brought back and what it could not, as lines. */
export function details(
  restored: Restoration,
  trans: TranslationBundle,
  environment = false
): string[] {
  const { packages, data, left_out: leftOut, seeds, notes } = restored;
  return [
    trans.__('Branch: %1 (%2)', restored.name, restored.commit.slice(0, 12)),
    ...(restored.folder ? [trans.__('Files: %1', restored.folder)] : []),
    ...(restored.notebook
      ? [
          trans._n(
            'Cells as executed: %2 (%1 execution)',
            'Cells as executed: %2 (%1 executions)',
            restored.cells,
            restored.notebook
          )
        ]
      : []),
    ...(restored.environment
      ? [trans.__('Environment: %1', restored.environment)]
      : []),
    ...(restored.environment && restored.folder && !environment
      ? [
          trans.__(
            'To make it again, in a terminal: mlops restore %1 --rebuild %2',
            restored.run_id,
            restored.name
          )
        ]
      : []),
    ...packages.map(each =>
      trans.__(
        '%1: %2 here, %3 then',
        each.name,
        each.now || trans.__('not installed'),
        each.then || trans.__('not installed')
      )
    ),
    ...data.map(each => `${each.path}: ${each.state}`),
    ...leftOut.map(each => trans.__('Not in the snapshot: %1', each)),
    ...seeds,
    ...notes
  ];
}
