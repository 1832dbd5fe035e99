import { expect, test } from "vitest";
import { en } from "./en";
import { es } from "./es";

const holes = (text: string) => (text.match(/\{\{\w+\}\}/g) ?? []).sort();

test("both languages have the same texts, with the same holes", () => {
  expect(Object.keys(es)).toEqual(Object.keys(en));
  for (const [key, text] of Object.entries(en)) {
    expect(holes(es[key as keyof typeof en]), key).toEqual(holes(text));
    expect(es[key as keyof typeof en].trim(), key).not.toBe("");
  }
});

test("a text for one has a text for many", () => {
  for (const key of Object.keys(en)) {
    if (key.endsWith("_one")) expect(Object.keys(en)).toContain(key.replace(/_one$/, "_other"));
  }
});
