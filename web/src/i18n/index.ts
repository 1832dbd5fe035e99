import i18next from "i18next";
import { useSyncExternalStore } from "react";
import { session } from "../api/session";
import { en, type Key } from "./en";
import { es } from "./es";

export type { Key } from "./en";

export type Locale = "en" | "es";

const KEY = "taquilla.locale";

/** The language of this device: chosen here before, else the browser's. */
export function deviceLocale(): Locale {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "en" || chosen === "es") return chosen;
  return navigator.language.toLowerCase().startsWith("es") ? "es" : "en";
}

export function chooseLocale(locale: Locale): void {
  localStorage.setItem(KEY, locale);
  if (i18next.language !== locale) void i18next.changeLanguage(locale);
}

/** Whose language is spoken. */
let speaker: number | undefined;

/** The language of whoever has signed in. */
function theirs(): Locale | undefined {
  const now = session.get();
  const [id, locale] = now.kind === "in" ? [now.user.id, now.user.locale] : [];
  if (id === speaker) return undefined;
  speaker = id;
  return locale;
}

const first = theirs();
if (first) localStorage.setItem(KEY, first);

void i18next.init({
  resources: { en: { translation: en }, es: { translation: es } },
  lng: first ?? deviceLocale(),
  fallbackLng: "en",
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false },
  initAsync: false,
});

const tell = (locale: string) => {
  document.documentElement.lang = locale;
};
tell(i18next.language);
i18next.on("languageChanged", tell);

session.subscribe(() => {
  const locale = theirs();
  if (locale) chooseLocale(locale);
});

type Plural<K> = K extends `${infer Stem}_one` ? Stem : K extends `${string}_other` ? never : K;
/** A key, or the stem of a pair `…_one`, `…_other`. */
export type Text = Plural<Key>;
export type Translate = (key: Text, values?: Record<string, unknown>) => string;

export interface InLanguage {
  t: Translate;
  locale: Locale;
}

const TEXTS: Record<Locale, Record<string, string>> = { en, es };

/**
 * A text is what stands there, with its values put in: a list asks for hundreds, and i18next takes a tenth of a
 * millisecond for each. What depends on a number is i18next's.
 */
function inLanguage(locale: Locale): InLanguage {
  const fixed = i18next.getFixedT(locale) as unknown as Translate;
  const plain = TEXTS[locale];
  const t: Translate = (key, values) => {
    const text = plain[key];
    if (text === undefined || values?.count !== undefined) return fixed(key, values);
    return values ? text.replace(/{{(\w+)}}/g, (whole, name) => String(values[name] ?? whole)) : text;
  };
  return { t, locale };
}

let current = inLanguage(i18next.language as Locale);
const watchers = new Set<() => void>();
i18next.on("languageChanged", (locale) => {
  current = inLanguage(locale as Locale);
  for (const watcher of watchers) watcher();
});

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Translation and language, for components. */
export function useText(): InLanguage {
  return useSyncExternalStore(watch, () => current);
}

/** Translation outside of components. */
export const translate: Translate = ((key: string, values?: Record<string, unknown>) => i18next.t(key, values)) as Translate;

/** Whether there is a text of this name: for names that come from the server. */
export function isText(key: string): key is Text {
  return i18next.exists(key);
}
