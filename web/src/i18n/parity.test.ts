import { expect, test } from "vitest";
import api from "../../../docs/openapi.json";
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

test("every text is shown somewhere", () => {
  const files = import.meta.glob("../**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }) as Record<string, string>;
  const source = Object.entries(files)
    .filter(([name]) => !/(^|\/)(en|es)\.ts$|\.test\.ts$|schema\.d\.ts$/.test(name))
    .map(([, text]) => text)
    .join("\n");
  // Names that are put together, such as `status.${status}`.
  const begun = [...source.matchAll(/`([a-z]+\.[a-z_.]*)\$\{/g)].map(([, beginning]) => beginning ?? "");
  const unused = Object.keys(en)
    .map((key) => key.replace(/_(one|other)$/, ""))
    .filter((key) => !source.includes(`"${key}"`) && !begun.some((beginning) => key.startsWith(beginning)));
  expect(unused).toEqual([]);
});

test("every action of the log has words", () => {
  const known = api.components.schemas.Action.enum;
  expect(known).toContain("ticket.created");
  expect(known.filter((action) => !(`action.${action}` in en))).toEqual([]);
});
