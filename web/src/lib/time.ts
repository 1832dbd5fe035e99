import type { Translate } from "../i18n";

type Unit = "year" | "month" | "week" | "day" | "hour" | "minute";

const UNITS: [Unit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** Keeps what is made for a language: a formatter takes longer to make than a row of a list to draw. */
function kept<T>(make: (locale: string) => T): (locale: string) => T {
  const all = new Map<string, T>();
  return (locale) => {
    let found = all.get(locale);
    if (found === undefined) {
      found = make(locale);
      all.set(locale, found);
    }
    return found;
  };
}

const ago = kept((locale) => new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" }));
const full = kept((locale) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }));

/** "2 h ago", "in 5 min", in the language. */
export function relative(at: string, locale: string, now = Date.now()): string {
  const seconds = (Date.parse(at) - now) / 1000;
  const format = ago(locale);
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

/** A span in its largest unit: "2h", "3d". In our own words, since the first formatter of units takes the browser 30 ms. */
export function span(milliseconds: number, t: Translate): string {
  const seconds = Math.abs(milliseconds) / 1000;
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return `${Math.trunc(seconds / size)}${t(`unit.${unit}`)}`;
  }
  return `0${t("unit.minute")}`;
}

/** Days, hours and minutes, the largest two, by symbols that every language has: "1 h 20 min". */
export function duration(milliseconds: number): string {
  const minutes = Math.max(0, Math.round(Math.abs(milliseconds) / 60_000));
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return rest > 0 ? `${hours} h ${rest} min` : `${hours} h`;
  return `${rest} min`;
}

/** Date and time in full. */
export function absolute(at: string, locale: string): string {
  return full(locale).format(new Date(at));
}
