import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { useState } from 'react';
import { CommandIDs } from '../commands';
import type { IServices } from '../components';
import { attempt } from '../components/notify';
import type { IWorkspace } from '../workspace/tokens';
import type { IRestoreChoice, IVerifyChoice } from './reproduction-model';
import { ReproductionModel } from './reproduction-model';
import type { Restoration } from './types';

const NAME = /^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$/;

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
  const choice: { -readonly [K in keyof IRestoreChoice]: IRestoreChoice[K] } = {
    into: 'worktree',
    name: ''
  };
  for (;;) {
    const accepted = await ask(
      trans.__('Restore the state of %1', name),
      trans.__('Restore'),
      <RestoreForm choice={choice} trans={trans} />,
      trans
    );
    if (!accepted) {
      return;
    }
    if (NAME.test(choice.name)) {
      break;
    }
  }
  const restored = await attempt(trans, () => model.restore(choice));
  if (restored) {
    await said(services, model, restored);
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

/** Say what was restored, and open it. */
async function said(
  services: IServices,
  model: ReproductionModel,
  restored: Restoration
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
              body: details(restored, trans).join('\n'),
              buttons: [Dialog.okButton({ label: trans.__('Close') })]
            });
          }
        },
        {
          label: trans.__('Undo'),
          caption: trans.__('Take the restored state away'),
          callback: () => {
            void attempt(trans, () => model.undo(name));
          }
        }
      ]
    }
  );
}

/** What a restoration brought back and what it could not, as lines. */
export function details(
  restored: Restoration,
  trans: TranslationBundle
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
    ...(restored.environment && restored.folder
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

function RestoreForm(props: {
  choice: { into: IRestoreChoice['into']; name: string };
  trans: TranslationBundle;
}): JSX.Element {
  const { choice, trans } = props;
  const [into, setInto] = useState(choice.into);
  const [name, setName] = useState(choice.name);
  const choose = (value: IRestoreChoice['into']) => () => {
    choice.into = value;
    setInto(value);
  };
  return (
    <div className="jp-mlops-Reproduce">
      <p>
        {trans.__(
          'The files as they were when the run started, its cells in the order in which they ran, and its environment. Your branch and your files stay as they are.'
        )}
      </p>
      <fieldset className="jp-mlops-Choice">
        <legend className="jp-mlops-Hidden">
          {trans.__('Where to restore it')}
        </legend>
        <Choice
          checked={into === 'worktree'}
          onChange={choose('worktree')}
          label={trans.__('Into a folder of its own')}
          help={trans.__(
            'Writes restored/<name> with all files and opens the notebook as it was executed; makes the branch, too.'
          )}
        />
        <Choice
          checked={into === 'branch'}
          onChange={choose('branch')}
          label={trans.__('On a new branch only')}
          help={trans.__('Writes no file; switch to the branch to see it.')}
        />
      </fieldset>
      <label className="jp-mlops-Field">
        {trans.__('Name of the branch and the folder')}
        <input
          className="jp-mlops-Input"
          value={name}
          placeholder={trans.__('made up from the run')}
          aria-invalid={!NAME.test(name)}
          onChange={event => {
            choice.name = event.target.value;
            setName(event.target.value);
          }}
        />
        {!NAME.test(name) && (
          <strong role="alert">
            {trans.__('Letters, digits, ".", "_" and "-", please.')}
          </strong>
        )}
      </label>
    </div>
  );
}

function VerifyForm(props: {
  choice: { present: boolean; tolerance: number };
  trans: TranslationBundle;
}): JSX.Element {
  const { choice, trans } = props;
  const [present, setPresent] = useState(choice.present);
  const [percent, setPercent] = useState('0');
  const choose = (value: boolean) => () => {
    choice.present = value;
    setPresent(value);
  };
  return (
    <div className="jp-mlops-Reproduce">
      <p>
        {trans.__(
          'Runs the cells of the run again, in a folder of their own, and compares what they make. What they log or register stays there.'
        )}
      </p>
      <fieldset className="jp-mlops-Choice">
        <legend className="jp-mlops-Hidden">
          {trans.__('On which files')}
        </legend>
        <Choice
          checked={!present}
          onChange={choose(false)}
          label={trans.__("On the run's own files")}
          help={trans.__('Does the run give the same again?')}
        />
        <Choice
          checked={present}
          onChange={choose(true)}
          label={trans.__('On your files as they are now')}
          help={trans.__(
            'What has changed since, and from which cell on does it matter?'
          )}
        />
      </fieldset>
      <label className="jp-mlops-Field">
        {trans.__('Difference of a metric that counts as equal, %')}
        <input
          className="jp-mlops-Input"
          type="number"
          min={0}
          max={100}
          step="any"
          value={percent}
          onChange={event => {
            const value = Number(event.target.value) / 100;
            choice.tolerance = Math.min(1, Math.max(0, value || 0));
            setPercent(event.target.value);
          }}
        />
      </label>
    </div>
  );
}

function Choice(props: {
  checked: boolean;
  label: string;
  help: string;
  onChange(): void;
}): JSX.Element {
  const { checked, label, help, onChange } = props;
  return (
    <label>
      <input
        type="radio"
        name="jp-mlops-choice"
        checked={checked}
        onChange={onChange}
      />
      <span>
        {label}
        <span className="jp-mlops-Field-help">{help}</span>
      </span>
    </label>
  );
}
