import { expect, test } from "vitest";
import type { Translate } from "../i18n";
import { en } from "../i18n/en";
import { es } from "../i18n/es";
import { duration, span } from "./time";

const minute = 60_000;
const day = 1_440 * minute;
const texts =
  (all: Record<string, string>): Translate =>
  (key) =>
    all[key] as string;

test.each([
  [0, "0m", "0min"],
  [-59 * minute, "59m", "59min"],
  [60 * minute, "1h", "1h"],
  [47 * 60 * minute, "1d", "1d"],
  [13 * day, "1w", "1sem"],
  [-65 * day, "2mo", "2m"],
  [800 * day, "2y", "2a"],
])("a span of %i ms is %s", (milliseconds, english, spanish) => {
  expect(span(milliseconds, texts(en))).toBe(english);
  expect(span(milliseconds, texts(es))).toBe(spanish);
});

test.each([
  [20_000, "0 min"],
  [59.6 * minute, "1 h"],
  [-80 * minute, "1 h 20 min"],
  [day, "1 d"],
  [3 * day + 7 * 60 * minute + 59 * minute, "3 d 7 h"],
])("%i ms last %s", (milliseconds, text) => {
  expect(duration(milliseconds)).toBe(text);
});
