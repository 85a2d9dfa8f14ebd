import { useEffect, useRef, useState } from 'react';
import {
  Button,
  ErrorView,
  Section,
  useChanged,
  useServices,
  useTrans
} from '../components';
import type { CurveHandle } from './curve';
import type { RunModel } from './run-model';
import type { MetricHistory } from './types';

/** Curves that are asked for at first; the others on demand. */
const CURVES_AT_FIRST = 12;

/** The course of every metric that was logged more than once. */
export function Curves(props: {
  model: RunModel;
  keys: readonly string[];
}): JSX.Element | null {
  const { model } = props;
  const trans = useTrans();
  const [count, setCount] = useState(CURVES_AT_FIRST);
  const keys = [...props.keys].sort();
  const shown = keys.slice(0, count);
  const [single, setSingle] = useState<ReadonlySet<string>>(new Set());
  const onSingle = (key: string, is: boolean) => {
    if (single.has(key) !== is) {
      const next = new Set(single);
      if (is) {
        next.add(key);
      } else {
        next.delete(key);
      }
      setSingle(next);
    }
  };
  if (!keys.length) {
    return null;
  }
  const none =
    shown.every(key => single.has(key)) && shown.length === keys.length;
  return (
    <div hidden={none}>
      <Section title={trans.__('Curves')}>
        <div className="jp-mlops-Curves">
          {shown.map(key => (
            <Curve key={key} name={key} model={model} onSingle={onSingle} />
          ))}
        </div>
        {keys.length > count && (
          <Button onClick={() => setCount(count + CURVES_AT_FIRST)}>
            {trans.__('Show more (%1 left)', keys.length - count)}
          </Button>
        )}
      </Section>
    </div>
  );
}

interface ICurveProps {
  name: string;
  model: RunModel;
  /** Told whether the metric has one value only: then there is no curve. */
  onSingle(key: string, single: boolean): void;
}

function Curve(props: ICurveProps): JSX.Element {
  const { name, model, onSingle } = props;
  const { trans, themeChanged } = useServices();
  const query = model.history(name);
  useChanged(query);
  const box = useRef<HTMLDivElement>(null);
  const handle = useRef<CurveHandle | null>(null);
  const data = query.data;
  const single = data !== undefined && data.points.length < 2;

  useEffect(() => onSingle(name, single));

  useEffect(() => {
    if (!data || single || !box.current) {
      return;
    }
    if (handle.current) {
      handle.current.update(data);
      return;
    }
    let gone = false;
    void import('./curve').then(({ drawCurve }) => {
      if (!gone && box.current && !handle.current) {
        handle.current = drawCurve(box.current, data, themeChanged);
      }
    });
    return () => {
      gone = true;
    };
  }, [data, single, themeChanged]);

  useEffect(
    () => () => {
      handle.current?.dispose();
      handle.current = null;
    },
    []
  );

  return (
    <figure className="jp-mlops-Curve" hidden={single}>
      <figcaption>{name}</figcaption>
      {query.error && <ErrorView error={query.error} trans={trans} />}
      <div
        ref={box}
        role="img"
        aria-label={data ? describe(data, trans.__('no values')) : name}
      />
    </figure>
  );
}

/** The curve in words, for those who can't see it. */
function describe(history: MetricHistory, none: string): string {
  const first = history.points[0];
  const last = history.points[history.points.length - 1];
  return first && last
    ? `${history.key}: ${first.value} → ${last.value} (${history.total})`
    : `${history.key}: ${none}`;
}
