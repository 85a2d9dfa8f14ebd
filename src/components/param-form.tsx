import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { useId } from 'react';
import { useChanged } from './hooks';

/** A value that a person is to give. */
export interface IParameter {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'any';
  readonly default?: unknown;
  readonly description?: string;
}

/** What stands in a form: texts as typed, and what they mean. */
export class ParamFormModel implements IDisposable {
  constructor(
    readonly parameters: readonly IParameter[],
    private readonly trans: TranslationBundle
  ) {
    for (const parameter of parameters) {
      this._texts.set(parameter.name, toText(parameter.default));
    }
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  text(name: string): string {
    return this._texts.get(name) ?? '';
  }

  set(name: string, text: string): void {
    this._texts.set(name, text);
    this._changed.emit();
  }

  /** What is wrong with a value; empty: nothing. */
  problem(name: string): string {
    const parameter = this.parameters.find(p => p.name === name);
    return parameter ? this.read(parameter).problem : '';
  }

  /** Whether every value can be used. */
  get isValid(): boolean {
    return this.parameters.every(p => !this.problem(p.name));
  }

  /** The values by name. */
  get values(): Record<string, unknown> {
    return Object.fromEntries(
      this.parameters.map(p => [p.name, this.read(p).value])
    );
  }

  /** The values that differ from their defaults. */
  get changedValues(): Record<string, unknown> {
    return Object.fromEntries(
      this.parameters
        .filter(p => this.text(p.name) !== toText(p.default))
        .map(p => [p.name, this.read(p).value])
    );
  }

  private read(parameter: IParameter): { value: unknown; problem: string } {
    const text = this.text(parameter.name);
    const good = (value: unknown) => ({ value, problem: '' });
    const bad = (problem: string) => ({ value: undefined, problem });
    switch (parameter.type) {
      case 'boolean':
        return good(text === 'true');
      case 'integer':
        return /^\s*[-+]?\d+\s*$/.test(text)
          ? good(Number(text))
          : bad(this.trans.__('A whole number is needed.'));
      case 'number':
        return text.trim() && Number.isFinite(Number(text))
          ? good(Number(text))
          : bad(this.trans.__('A number is needed.'));
      case 'any':
        return good(parseAny(text));
      default:
        return good(text);
    }
  }

  private _changed = new Signal<this, void>(this);
  private _disposed = false;
  private _texts = new Map<string, string>();
}

/** A form for parameters: one labelled field each, by type. */
export function ParamForm(props: { model: ParamFormModel }): JSX.Element {
  const { model } = props;
  useChanged(model);
  return (
    <div className="jp-mlops-Form">
      {model.parameters.map(parameter => (
        <Field key={parameter.name} model={model} parameter={parameter} />
      ))}
    </div>
  );
}

function Field(props: {
  model: ParamFormModel;
  parameter: IParameter;
}): JSX.Element {
  const { model, parameter } = props;
  const id = useId();
  const { name, type, description } = parameter;
  const problem = model.problem(name);
  const shared = {
    id,
    'aria-describedby': `${id}-help`,
    'aria-invalid': problem !== '',
    'data-name': name
  };
  return (
    <div className="jp-mlops-Field">
      <label htmlFor={id}>{name}</label>
      {type === 'boolean' ? (
        <input
          {...shared}
          type="checkbox"
          checked={model.text(name) === 'true'}
          onChange={event => model.set(name, String(event.target.checked))}
        />
      ) : (
        <input
          {...shared}
          className="jp-mlops-Input"
          type="text"
          inputMode={
            type === 'integer'
              ? 'numeric'
              : type === 'number'
                ? 'decimal'
                : 'text'
          }
          value={model.text(name)}
          onChange={event => model.set(name, event.target.value)}
        />
      )}
      <p id={`${id}-help`} className="jp-mlops-Field-help">
        {problem && <strong>{problem} </strong>}
        {description}
      </p>
    </div>
  );
}

function toText(value: unknown): string {
  if (value === undefined || value === null) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Read a text as JSON where it is, else as the text itself; empty: null. */
function parseAny(text: string): unknown {
  if (!text.trim()) {
    return null;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
