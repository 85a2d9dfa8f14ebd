import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect, useState } from 'react';
import { asMlopsError } from '../api';
import { Choices, Explained, Form } from './form';
import type { IRestoreWish } from './reproduction-model';
import type { RunEnvironment } from './types';

/** What can name a restored state; empty: a name is made up. */
export const NAME = /^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$/;

/** Asks how a run is brought back; `wish` holds the answers. */
export function RestoreForm(props: {
  wish: { -readonly [K in keyof IRestoreWish]: IRestoreWish[K] };
  environment: Promise<RunEnvironment>;
  trans: TranslationBundle;
}): JSX.Element {
  const { wish, environment, trans } = props;
  const [into, setInto] = useState(wish.into);
  const [name, setName] = useState(wish.name);
  return (
    <Form
      intro={trans.__(
        'The files as they were when the run started, its cells in the order in which they ran, and the list of its packages. Your branch and your files stay as they are.'
      )}
    >
      <Choices<IRestoreWish['into']>
        legend={trans.__('Where to restore it')}
        first={wish.into}
        onChange={value => {
          wish.into = value;
          setInto(value);
        }}
        options={[
          {
            value: 'worktree',
            label: trans.__('Into a folder of its own'),
            help: trans.__(
              'Writes restored/<name> with all files and opens the notebook as it was executed; makes the branch, too.'
            )
          },
          {
            value: 'branch',
            label: trans.__('On a new branch only'),
            help: trans.__('Writes no file; switch to the branch to see it.')
          }
        ]}
      />
      <EnvironmentChoice
        wish={wish}
        environment={environment}
        inFolder={into === 'worktree'}
        trans={trans}
      />
      <label className="jp-mlops-Field">
        {trans.__('Name of the branch and the folder')}
        <input
          className="jp-mlops-Input"
          value={name}
          placeholder={trans.__('made up from the run')}
          aria-invalid={!NAME.test(name)}
          onChange={event => {
            wish.name = event.target.value;
            setName(event.target.value);
          }}
        />
        {!NAME.test(name) && (
          <strong role="alert">
            {trans.__('Letters, digits, ".", "_" and "-", please.')}
          </strong>
        )}
      </label>
    </Form>
  );
}

function EnvironmentChoice(props: {
  wish: { environment: boolean };
  environment: Promise<RunEnvironment>;
  inFolder: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { wish, environment, inFolder, trans } = props;
  const [checked, setChecked] = useState(wish.environment);
  const [found, setFound] = useState<RunEnvironment | string>();
  useEffect(() => {
    let gone = false;
    environment.then(
      answer => gone || setFound(answer),
      (error: unknown) => gone || setFound(asMlopsError(error).what)
    );
    return () => {
      gone = true;
    };
  }, [environment]);
  const can =
    typeof found === 'object' &&
    found.python !== '' &&
    found.installer !== '' &&
    inFolder;
  return (
    <div className="jp-mlops-Choice">
      <label>
        <input
          type="checkbox"
          checked={checked && can}
          disabled={!can}
          onChange={event => {
            wish.environment = event.target.checked;
            setChecked(event.target.checked);
          }}
        />
        <Explained
          label={trans.__('Make its environment again')}
          help={
            inFolder
              ? whatItTakes(found, trans)
              : trans.__('Only into a folder of its own.')
          }
        />
      </label>
    </div>
  );
}

/** What making an environment takes, or why it can't be made; a sentence or two. */
export function whatItTakes(
  found: RunEnvironment | string | undefined,
  trans: TranslationBundle
): string {
  if (found === undefined) {
    return trans.__('Looking which packages it had…');
  }
  if (typeof found === 'string') {
    return found;
  }
  const { python, packages, installer } = found;
  if (!python) {
    return trans.__("Can't be made: the environment of the run is not kept.");
  }
  if (!installer) {
    return trans.__(
      "Can't be made: neither uv nor pip is here. Install uv and open this again."
    );
  }
  return trans._n(
    '%2 and %1 package, installed by %3 into .venv of the folder. Takes seconds to minutes; you can go on working.',
    '%2 and %1 packages, installed by %3 into .venv of the folder. Takes seconds to minutes; you can go on working.',
    packages,
    python,
    installer
  );
}
