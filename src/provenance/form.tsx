import { useState } from 'react';

/** What a dialog about a run asks, under a line on what will be done. */
export function Form(props: {
  intro: string;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <div className="jp-mlops-Reproduce">
      <p>{props.intro}</p>
      {props.children}
    </div>
  );
}

interface IOption<T> {
  readonly value: T;
  readonly label: string;
  /** A line of explanation. */
  readonly help: string;
}

/** One of several answers. */
export function Choices<T>(props: {
  legend: string;
  first: T;
  options: readonly IOption<T>[];
  onChange(value: T): void;
}): JSX.Element {
  const [chosen, setChosen] = useState(props.first);
  return (
    <fieldset className="jp-mlops-Choice">
      <legend className="jp-mlops-Hidden">{props.legend}</legend>
      {props.options.map(({ value, label, help }) => (
        <label key={label}>
          <input
            type="radio"
            name="jp-mlops-choice"
            checked={chosen === value}
            onChange={() => {
              setChosen(value);
              props.onChange(value);
            }}
          />
          <Explained label={label} help={help} />
        </label>
      ))}
    </fieldset>
  );
}

/** A label with a line of explanation. */
export function Explained(props: { label: string; help: string }): JSX.Element {
  return (
    <span>
      {props.label}
      <span className="jp-mlops-Field-help">{props.help}</span>
    </span>
  );
}
