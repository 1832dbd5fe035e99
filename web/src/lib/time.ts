const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** Keeps what is made for a language and another word: a formatter takes longer to make than a row of a list to draw. */
function kept<T>(make: (locale: string, word: string) => T): (locale: string, word?: string) => T {
  const all = new Map<string, T>();
  return (locale, word = "") => {
    const key = `${locale} ${word}`;
    let found = all.get(key);
    if (found === undefined) {
      found = make(locale, word);
      all.set(key, found);
    }
    return found;
  };
}

const ago = kept((locale) => new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" }));
const narrow = kept((locale, unit) => new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "narrow" }));
const short = kept((locale, unit) => new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" }));
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

/** A span in its largest unit: "2 h", "3 d". */
export function span(milliseconds: number, locale: string): string {
  const seconds = Math.abs(milliseconds) / 1000;
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return narrow(locale, unit).format(Math.trunc(seconds / size));
  }
  return narrow(locale, "minute").format(0);
}

/** Hours and minutes: "1 h 20 min". */
export function duration(milliseconds: number, locale: string): string {
  const minutes = Math.max(0, Math.round(Math.abs(milliseconds) / 60_000));
  const unit = (value: number, name: string) => short(locale, name).format(value);
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  if (days > 0) return hours > 0 ? `${unit(days, "day")} ${unit(hours, "hour")}` : unit(days, "day");
  if (hours > 0) return rest > 0 ? `${unit(hours, "hour")} ${unit(rest, "minute")}` : unit(hours, "hour");
  return unit(rest, "minute");
}

/** Date and time in full. */
export function absolute(at: string, locale: string): string {
  return full(locale).format(new Date(at));
}
