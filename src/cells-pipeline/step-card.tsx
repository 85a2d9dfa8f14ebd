import type { TranslationBundle } from '@jupyterlab/translation';
import { useState } from 'react';
import { Button, useTrans } from '../components';
import { merged, moved, ownCells, renamed, split } from './edits';
import type { CellsPipelineModel } from './model';
import type { ProposedStep, StepCell } from './types';

interface IProps {
  model: CellsPipelineModel;
  step: ProposedStep;
  index: number;
  last: boolean;
}

/** One proposed step: its cells, what it takes and hands on, and the ways to change it. */
export function StepCard(props: IProps): JSX.Element {
  const { model, step, index, last } = props;
  const trans = useTrans();
  // Cells that prepare go with what stands below them.
  const own = ownCells(step).filter(cell => cell.role === 'own');
  return (
    <li className="jp-mlops-CellsPipeline-step">
      <section aria-label={trans.__('Step %1', step.name)}>
        <Name {...props} />
        <ul className="jp-mlops-CellsPipeline-cells">
          {step.cells.map(cell => (
            <li key={`${cell.id}-${cell.why}`} data-role={cell.role}>
              <span className="jp-mlops-CellsPipeline-number">
                {cell.number}
              </span>
              <code>{cell.title}</code>
              {cell.why || cell.role !== 'own' ? (
                <small>{roleText(cell, trans)}</small>
              ) : null}
              {own.indexOf(cell) > 0 && (
                <button
                  type="button"
                  className="jp-mlops-Link"
                  aria-label={trans.__('Split before cell %1', cell.number)}
                  onClick={() =>
                    void model.edit(steps => split(steps, index, cell.id))
                  }
                >
                  {trans.__('split')}
                </button>
              )}
            </li>
          ))}
        </ul>
        <Moves step={step} />
        {step.notes.length > 0 && (
          <ul className="jp-mlops-CellsPipeline-notes">
            {step.notes.map(note => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        )}
        {!last && (
          <div className="jp-mlops-Actions">
            <Button
              aria-label={trans.__('Merge %1 with the step below', step.name)}
              onClick={() => void model.edit(steps => merged(steps, index))}
            >
              {trans.__('Merge with next')}
            </Button>
            <Button
              aria-label={trans.__(
                'Give the last cell of %1 to the step below',
                step.name
              )}
              onClick={() =>
                void model.edit(steps => moved(steps, index, 'up'))
              }
            >
              {trans.__('Boundary up')}
            </Button>
            <Button
              aria-label={trans.__(
                'Take the first cell of the step below into %1',
                step.name
              )}
              onClick={() =>
                void model.edit(steps => moved(steps, index, 'down'))
              }
            >
              {trans.__('Boundary down')}
            </Button>
          </div>
        )}
      </section>
    </li>
  );
}

function Name(props: IProps): JSX.Element {
  const { model, step, index } = props;
  const trans = useTrans();
  const [name, setName] = useState(step.name);
  const rename = () => {
    const wanted = name.trim();
    if (wanted && wanted !== step.name) {
      void model.edit(steps => renamed(steps, index, wanted));
    } else {
      setName(step.name);
    }
  };
  return (
    <input
      className="jp-mlops-Input jp-mlops-CellsPipeline-name"
      aria-label={trans.__('Name of step %1', index + 1)}
      value={name}
      onChange={event => setName(event.target.value)}
      onBlur={rename}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          event.currentTarget.blur();
        } else if (event.key === 'Escape') {
          setName(step.name);
        }
      }}
    />
  );
}

/** What moves into the step and out of it. */
function Moves(props: { step: ProposedStep }): JSX.Element {
  const { step } = props;
  const trans = useTrans();
  const givers = [...new Set(step.inputs.map(each => each.step))];
  const together = step.inputs.filter(each => each.together.length);
  const rows: [string, React.ReactNode][] = [
    ...givers.map((giver): [string, React.ReactNode] => [
      trans.__('Takes from %1', giver),
      step.inputs
        .filter(each => each.step === giver)
        .map(each => each.name)
        .join(', ')
    ])
  ];
  if (together.length) {
    rows.push([
      trans.__('Share objects'),
      together.map(each => each.name).join(', ')
    ]);
  }
  if (step.outputs.length) {
    rows.push([
      trans.__('Hands on'),
      step.outputs.map(each => each.name).join(', ')
    ]);
  }
  for (const [name, why] of Object.entries(step.needs)) {
    rows.push([trans.__('Waits for %1', name), why]);
  }
  if (step.parameters.length) {
    rows.push([trans.__('Parameters'), step.parameters.join(', ')]);
  }
  if (step.packages.length) {
    rows.push([trans.__('Installs'), step.packages.join(', ')]);
  }
  return (
    <dl className="jp-mlops-Facts">
      {rows.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function roleText(cell: StepCell, trans: TranslationBundle): string {
  const words: Record<StepCell['role'], string> = {
    own: '',
    prepares: trans.__('in each step that needs it'),
    parameters: trans.__('parameters'),
    again: trans.__('runs again here'),
    moved: trans.__('moved here')
  };
  const role = words[cell.role];
  return cell.role === 'again' ? `${role}: ${cell.why}` : role;
}
