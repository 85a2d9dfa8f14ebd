import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IServices } from '../components';
import { attempt } from '../components/notify';
import type { IWorkspace } from '../workspace/tokens';
import { showProgress } from './environment-progress';
import type { IRestoreWish, IVerifyChoice } from './reproduction-model';
import { ReproductionModel } from './reproduction-model';
import { NAME, RestoreForm } from './restore-form';
import { sayRestored } from './restored';
import { VerifyForm } from './verify-form';

/** Restore or verify a run that has no page of its own here. */
export async function reproduceRun(
  services: IServices,
  workspace: IWorkspace,
  run: { id: string; name: string },
  what: 'restore' | 'verify'
): Promise<void> {
  // Disposed of below, whatever happens.
  // eslint-disable-next-line jupyter/require-disposable-ownership
  const model = new ReproductionModel(services, workspace, run.id);
  const reproduce = what === 'restore' ? restoreRun : verifyRun;
  try {
    await reproduce(services, model, run.name);
  } finally {
    model.dispose();
  }
}

/** Ask how, and bring a run's state back. Failures are shown. */
export async function restoreRun(
  services: IServices,
  model: ReproductionModel,
  name: string
): Promise<void> {
  const { trans } = services;
  const wish: { -readonly [K in keyof IRestoreWish]: IRestoreWish[K] } = {
    into: 'worktree',
    name: '',
    environment: false
  };
  const environment = model.environment();
  environment.catch(() => undefined); // the form says it, once it is there
  for (;;) {
    const accepted = await ask(
      trans.__('Restore the state of %1', name),
      trans.__('Restore'),
      <RestoreForm wish={wish} environment={environment} trans={trans} />,
      trans
    );
    if (!accepted) {
      return;
    }
    if (NAME.test(wish.name)) {
      break;
    }
  }
  const { into, name: wanted } = wish;
  const restored = await attempt(trans, () =>
    model.restore({ into, name: wanted })
  );
  if (!restored) {
    return;
  }
  const makes = wish.environment && into === 'worktree';
  await sayRestored(services, model, restored, makes);
  if (makes) {
    await attempt(trans, async () => {
      await model.makeEnvironment(restored.name, false);
      showProgress(services, model.workspace, { id: model.id, name });
    });
  }
}

/** Ask how, and run a run's cells again. Failures are shown. */
export async function verifyRun(
  services: IServices,
  model: ReproductionModel,
  name: string
): Promise<void> {
  const { trans } = services;
  const choice: { -readonly [K in keyof IVerifyChoice]: IVerifyChoice[K] } = {
    present: false,
    tolerance: 0
  };
  const accepted = await ask(
    trans.__('Verify %1', name),
    trans.__('Verify'),
    <VerifyForm choice={choice} trans={trans} />,
    trans
  );
  if (accepted) {
    await attempt(trans, () => model.verify(choice));
  }
}

async function ask(
  title: string,
  accept: string,
  form: JSX.Element,
  trans: TranslationBundle
): Promise<boolean> {
  const body = ReactWidget.create(form);
  body.addClass('jp-mlops-Dialog');
  const result = await showDialog({
    title,
    body,
    focusNodeSelector: 'input:checked',
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: accept })
    ]
  });
  return result.button.accept;
}
