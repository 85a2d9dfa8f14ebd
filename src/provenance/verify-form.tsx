import type { TranslationBundle } from '@jupyterlab/translation';
import { useState } from 'react';
import { Choices, Form } from './form';
import type { IVerifyChoice } from './reproduction-model';

/** Asks how a run is verified; `choice` holds the answers. */
export function VerifyForm(props: {
  choice: { -readonly [K in keyof IVerifyChoice]: IVerifyChoice[K] };
  trans: TranslationBundle;
}): JSX.Element {
  const { choice, trans } = props;
  const [percent, setPercent] = useState('0');
  return (
    <Form
      intro={trans.__(
        'Runs the cells of the run again, in a folder of their own, and compares what they make. What they log or register stays there.'
      )}
    >
      <Choices
        legend={trans.__('On which files')}
        first={choice.present}
        onChange={present => {
          choice.present = present;
        }}
        options={[
          {
            value: false,
            label: trans.__("On the run's own files"),
            help: trans.__('Does the run give the same again?')
          },
          {
            value: true,
            label: trans.__('On your files as they are now'),
            help: trans.__(
              'What has changed since, and from which cell on does it matter?'
            )
          }
        ]}
      />
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
    </Form>
  );
}
