import { runIcon } from '@jupyterlab/ui-components';
import { useEffect, useId, useState } from 'react';
import type { MlopsError } from '../api';
import { asMlopsError } from '../api';
import {
  Button,
  ErrorView,
  Link,
  Section,
  useServices,
  useTrans
} from '../components';
import { formatDuration } from '../components/format';
import { ParamForm, ParamFormModel } from '../components/param-form';
import { useChanged } from '../components/hooks';
import type { EndpointModel } from './endpoint-model';
import { fieldsOf, requestOf } from './example';
import { TraceList } from './trace';
import type { Endpoint, PredictRequest, Prediction } from './types';

/** With more columns than this the row is given as JSON. */
const MOST_FIELDS = 40;

interface IProps {
  model: EndpointModel;
  endpoint: Endpoint;
}

/** A form made from the model's inputs, which asks the endpoint. */
export function TryIt(props: IProps): JSX.Element {
  const { model, endpoint } = props;
  const { trans } = useServices();
  const deployment = endpoint.deployment?.id ?? '';
  const [form, setForm] = useState<ParamFormModel | null>(null);
  const [asJson, setAsJson] = useState(false);
  const [json, setJson] = useState('');
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Prediction | null>(null);
  const [error, setError] = useState<MlopsError | null>(null);
  const jsonId = useId();

  useEffect(() => {
    const fields = fieldsOf(endpoint);
    const made = new ParamFormModel(fields, trans);
    setForm(made);
    setAsJson(fields.length > MOST_FIELDS || fields.length === 0);
    setJson(JSON.stringify(requestOf(fields, made.values), null, 2));
    return () => made.dispose();
    // A new form only where another model answers: typed values stay.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [deployment, trans]);

  const ask = async () => {
    setBusy(true);
    setError(null);
    try {
      const body =
        asJson || !form
          ? (JSON.parse(json) as PredictRequest)
          : requestOf(form.parameters, form.values);
      setAnswer(await model.predict(body));
    } catch (reason) {
      setAnswer(null);
      setError(asMlopsError(reason));
    } finally {
      setBusy(false);
    }
  };

  if (!form) {
    return <></>;
  }
  return (
    <Section
      title={trans.__('Try it')}
      aside={
        <Link
          aria-pressed={asJson}
          onClick={() => {
            if (!asJson) {
              const body = requestOf(form.parameters, form.values);
              setJson(JSON.stringify(body, null, 2));
            }
            setAsJson(!asJson);
          }}
        >
          {asJson ? trans.__('As a form') : trans.__('As JSON')}
        </Link>
      }
    >
      <form
        className="jp-mlops-TryIt"
        onSubmit={event => {
          event.preventDefault();
          void ask();
        }}
      >
        {asJson ? (
          <div className="jp-mlops-Field">
            <label htmlFor={jsonId}>{trans.__('Rows to predict')}</label>
            <textarea
              id={jsonId}
              className="jp-mlops-Input"
              rows={10}
              spellCheck={false}
              value={json}
              onChange={event => setJson(event.target.value)}
            />
          </div>
        ) : (
          <ParamForm model={form} />
        )}
        <Ask
          form={asJson ? null : form}
          busy={busy}
          ready={endpoint.status === 'ready'}
        />
      </form>
      <div aria-live="polite">
        {error && <ErrorView error={error} trans={trans} />}
        {answer && (
          <Answer key={answer.request_id} model={model} answer={answer} />
        )}
      </div>
    </Section>
  );
}

function Ask(props: {
  form: ParamFormModel | null;
  busy: boolean;
  ready: boolean;
}): JSX.Element {
  const { form, busy, ready } = props;
  const trans = useTrans();
  useChanged(form);
  return (
    <Button
      type="submit"
      primary
      icon={runIcon}
      disabled={busy || !ready || (form !== null && !form.isValid)}
      title={ready ? undefined : trans.__('The endpoint is not ready')}
    >
      {busy ? trans.__('Asking…') : trans.__('Ask')}
    </Button>
  );
}

function Answer(props: {
  model: EndpointModel;
  answer: Prediction;
}): JSX.Element {
  const { model, answer } = props;
  const trans = useTrans();
  const [tracing, setTracing] = useState(false);
  return (
    <div className="jp-mlops-Answer">
      <h3>{trans.__('Prediction')}</h3>
      <output>{answer.predictions.map(show).join('\n')}</output>
      <p className="jp-mlops-Muted">
        {trans.__(
          '%1, version %2, in %3',
          answer.model,
          answer.version,
          answer.milliseconds < 1000
            ? `${answer.milliseconds.toFixed(1)} ms`
            : formatDuration(answer.milliseconds / 1000)
        )}
      </p>
      <Button aria-expanded={tracing} onClick={() => setTracing(!tracing)}>
        {trans.__('What led to this?')}
      </Button>
      {tracing && <TraceList model={model} requestId={answer.request_id} />}
    </div>
  );
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
