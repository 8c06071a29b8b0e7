/** Numbers as people read them. */
import type { GateFigure } from '../shared/records';

const LOCALE = 'en';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A count of bytes in decimal units: "3.1 MB". */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  // 999.95 would be written as 1000.0
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? 'B'}`;
}

/** A rate in bytes per second: "3.1 MB/s". */
export function formatSpeed(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** A time to wait or waited, in seconds: "8 s", "3 min", "1 h 20 min". Below a second counts as one. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** A share in 0…1 as whole percent: "88 %". */
export function formatPercent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A measured number with a fixed count of decimals; a true minus sign. */
export function formatNumber(value: number, digits: number): string {
  // -0.0004 to two digits would be "-0.00"
  const rounded = Number(value.toFixed(digits)) === 0 ? 0 : value;
  return rounded.toFixed(digits).replace('-', '−');
}

/** A measured number to six significant digits, for a look at small differences. */
export function formatSignificant(value: number): string {
  return String(Number(value.toPrecision(6))).replaceAll('-', '−');
}

/** A figure of the gate, or its limit, in the unit that its name says. */
export function formatFigure(name: GateFigure['name'], measured: number): string {
  if (/_(accuracy|gain|ratio)$/.test(name)) return formatPercent(measured);
  return formatNumber(measured, /_(token|brier)$/.test(name) ? 3 : 2);
}

/** Enough of a digest to tell it from others. */
export function formatDigest(digest: string): string {
  return digest.slice(0, 12);
}

/** The beginning of a text, in one line. */
export function formatExcerpt(text: string, most = 90): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > most ? `${line.slice(0, most).trimEnd()}…` : line;
}

/** Day and time of an event: the time today, else the day. Milliseconds since 1970. */
export function formatWhen(time: number, now: number = Date.now()): string {
  const date = new Date(time);
  const sameDay = date.toDateString() === new Date(now).toDateString();
  return new Intl.DateTimeFormat(
    LOCALE,
    sameDay ? { hour: '2-digit', minute: '2-digit', hour12: false } : { day: 'numeric', month: 'short' },
  ).format(date);
}
