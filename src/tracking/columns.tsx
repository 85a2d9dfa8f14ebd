import { Button, useServices } from '../components';
import { attempt } from '../components/notify';
import type { RunsModel } from './runs-model';

interface IProps {
  model: RunsModel;
  onClose(): void;
}

/** Which metrics and parameters the table shows; kept in the settings. */
export function Columns(props: IProps): JSX.Element {
  const { model, onClose } = props;
  const { settings, trans } = useServices();
  const metrics = model.metricColumns;
  const params = model.paramColumns;
  const set = (newMetrics: readonly string[], newParams: readonly string[]) => {
    void attempt(trans, () => settings.setColumns(newMetrics, newParams));
  };
  return (
    <div
      className="jp-mlops-Columns"
      role="group"
      aria-label={trans.__('Columns')}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          onClose();
        }
      }}
    >
      <Choice
        title={trans.__('Metrics')}
        keys={union(model.metricKeys, metrics)}
        chosen={metrics}
        onChange={chosen => set(chosen, params)}
      />
      <Choice
        title={trans.__('Parameters')}
        keys={union(model.paramKeys, params)}
        chosen={params}
        onChange={chosen => set(metrics, chosen)}
      />
      <Button onClick={onClose}>{trans.__('Done')}</Button>
    </div>
  );
}

interface IChoiceProps {
  title: string;
  keys: readonly string[];
  chosen: readonly string[];
  onChange(chosen: string[]): void;
}

function Choice(props: IChoiceProps): JSX.Element | null {
  const { title, keys, chosen, onChange } = props;
  if (!keys.length) {
    return null;
  }
  return (
    <fieldset>
      <legend>{title}</legend>
      {keys.map(key => (
        <label key={key} className="jp-mlops-Check">
          <input
            type="checkbox"
            checked={chosen.includes(key)}
            onChange={event =>
              onChange(
                event.target.checked
                  ? [...chosen, key]
                  : chosen.filter(other => other !== key)
              )
            }
          />
          {key}
        </label>
      ))}
    </fieldset>
  );
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])];
}
