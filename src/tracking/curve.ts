import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { MetricHistory } from './types';

const HEIGHT = 180;

/** A drawn curve. */
export interface CurveHandle extends IDisposable {
  update(history: MetricHistory): void;
}

/** Draw a metric over its steps; follows the width of its box and the theme. */
export function drawCurve(
  box: HTMLElement,
  history: MetricHistory,
  themeChanged: ISignal<unknown, unknown> | null
): CurveHandle {
  let latest = history;
  // Kept: while a theme is exchanged, boxes have no width for a moment.
  let width = Math.max(200, box.clientWidth);
  let plot = create(box, latest, width);
  let disposed = false;

  // uPlot takes its colours when it is made.
  const restyle = () => {
    requestAnimationFrame(() => {
      if (!disposed) {
        plot.destroy();
        plot = create(box, latest, width);
      }
    });
  };
  themeChanged?.connect(restyle);

  const sizes = new ResizeObserver(() => {
    if (box.clientWidth > 0) {
      width = box.clientWidth;
      plot.setSize({ width, height: HEIGHT });
    }
  });
  sizes.observe(box);

  return {
    get isDisposed() {
      return disposed;
    },
    update: (next: MetricHistory) => {
      latest = next;
      plot.setData(toData(next));
    },
    dispose: () => {
      disposed = true;
      themeChanged?.disconnect(restyle);
      sizes.disconnect();
      plot.destroy();
    }
  };
}

/** The columns that uPlot draws. Steps that do not differ are replaced by seconds since the first. */
export function toData(history: MetricHistory): uPlot.AlignedData {
  const { points } = history;
  const start = points[0]?.at ?? 0;
  const bySteps = new Set(points.map(point => point.step)).size > 1;
  return [
    points.map(point => (bySteps ? point.step : point.at - start)),
    points.map(point => {
      const value = Number(point.value);
      return Number.isFinite(value) ? value : null;
    })
  ];
}

function create(
  box: HTMLElement,
  history: MetricHistory,
  width: number
): uPlot {
  const style = getComputedStyle(document.body);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--jp-ui-font-color2'),
    grid: { stroke: colour('--jp-border-color2'), width: 1 },
    ticks: { stroke: colour('--jp-border-color2'), width: 1 },
    font: '11px sans-serif'
  };
  const few = history.points.length <= 50;
  return new uPlot(
    {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { time: false } },
      axes: [{ ...axis }, { ...axis, size: 56 }],
      series: [
        {},
        {
          label: history.key,
          stroke: colour('--jp-brand-color1'),
          width: 1.5,
          points: { show: few, size: 5 }
        }
      ]
    },
    toData(history),
    box
  );
}
