/** Values as people read them. */

/** A number, or one of the strings that stand for what JSON has no number for. */
export type MetricValue = number | string;

/** Write a metric with five significant digits; `NaN` and infinities stay words. */
export function formatMetric(value: MetricValue | undefined): string {
  if (value === undefined) {
    return '';
  }
  if (typeof value === 'string') {
    return value.replace('Infinity', '∞');
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e9) {
    return value.toLocaleString();
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e9)
    ? value.toExponential(3)
    : value.toLocaleString(undefined, { maximumSignificantDigits: 5 });
}

/** Write a length of time given in seconds: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) {
    return `${Math.max(0, seconds).toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours) {
    return `${hours} h ${minutes} min`;
  }
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60]
];

/** Say how long ago a time is; both in seconds since the epoch. */
export function formatAgo(at: number, now: number, locale?: string): string {
  const seconds = at - now;
  const format = new Intl.RelativeTimeFormat(locale, {
    numeric: 'auto',
    style: 'narrow'
  });
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) {
      return format.format(Math.round(seconds / length), unit);
    }
  }
  return format.format(0, 'second');
}

/** Write a size in bytes. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes} B`;
  }
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = bytes / 1000;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size.toPrecision(3)} ${units[unit]}`;
}
