import { expect, test } from "vitest";
import { filterOf, parse, withFilter, words } from "./search";

const staff = [
  { id: 3, full_name: "Eva Peña", email: "eva@example.com" },
  { id: 4, full_name: "Tom Okafor", email: "t.okafor@example.com" },
];

test("the words of the API are understood, the rest is searched for", () => {
  const { params, faults } = parse("status:open,pending priority:high assignee:me vpn  drops", staff);
  expect(params).toEqual({ status: "open,pending", priority: "high", assigned_agent_id: "me", q: "vpn drops" });
  expect(faults).toEqual([]);
});

test("status:active stands for all that somebody has to do something about", () => {
  expect(parse("status:active").params).toEqual({ status: "open,in_progress,pending" });
});

test("people are found by id, address, or name, without case and accents", () => {
  const assignee = (value: string) => parse(`assignee:${value}`, staff).params.assigned_agent_id;
  expect(["7", "none", "eva", "t.okafor", "tom", '"eva pena"', "tom_okafor"].map(assignee)).toEqual([
    "7",
    "none",
    "3",
    "4",
    "4",
    "3",
    "4",
  ]);
});

test("a value that means nothing is told, not searched for", () => {
  const { params, faults } = parse("status:opne assignee:nobody priority:urgent overdue:maybe", staff);
  expect(params).toEqual({});
  expect(faults.map((fault) => fault.word)).toEqual(["status:opne", "assignee:nobody", "priority:urgent", "overdue:maybe"]);
});

test("a word with a colon that is no filter is searched for", () => {
  expect(parse("error:500 http://x").params).toEqual({ q: "error:500 http://x" });
});

test("times are days, instants, or days ago", () => {
  const now = new Date("2026-03-02T09:00:00Z");
  expect(parse("created_after:7d", [], now).params.created_after).toBe("2026-02-23T09:00:00.000Z");
  expect(parse("updated_before:2026-01-31", [], now).params.updated_before).toBe("2026-01-31T00:00:00.000Z");
  expect(parse("created_after:soon", [], now).faults).toHaveLength(1);
});

test("a filter is set, replaced and taken out of the text", () => {
  expect(withFilter("vpn", "status", "open")).toBe("status:open vpn");
  expect(withFilter("status:open vpn", "status", "closed")).toBe("status:closed vpn");
  expect(withFilter("status:open vpn", "status", undefined)).toBe("vpn");
  expect(withFilter("", "tag", "two words")).toBe('tag:"two words"');
  expect(filterOf('tag:"two words" x', "tag")).toBe("two words");
  expect(words('tag:"two words" x')).toEqual(['tag:"two words"', "x"]);
});
