// The search box: words as the API has them (`status:open priority:high assignee:me vpn`), and what they ask for.

import { ACTIVE, PRIORITIES, STATUSES } from "../api/types";

/** The parameters of a list of tickets. */
export interface ListParams {
  status?: string;
  priority?: string;
  tag?: string;
  assigned_agent_id?: string;
  creator_id?: string;
  created_after?: string;
  created_before?: string;
  updated_after?: string;
  updated_before?: string;
  overdue?: "true";
  deleted?: "true";
  q?: string;
  sort?: string;
}

export const SORTS = [
  "-created_at",
  "created_at",
  "-updated_at",
  "updated_at",
  "-priority",
  "priority",
  "due_at",
  "-due_at",
  "-id",
  "id",
];
export const DEFAULT_SORT = "-created_at";

export interface Person {
  id: number;
  full_name: string;
  email: string;
}

/** What a text in the box means, and the words in it that mean nothing. */
export interface Parsed {
  params: ListParams;
  faults: { word: string; kind: "key" | "value" }[];
}

/** Words, where `key:"several words"` is one. */
export function words(text: string): string[] {
  return text.match(/[\p{L}_]+:"[^"]*"?|\S+/gu) ?? [];
}

const bare = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Finds one of the staff by id, `me`, `none`, address, or (the beginning of) a name. */
function person(value: string, staff: readonly Person[]): string | undefined {
  if (/^(me|none|[1-9]\d*)$/.test(value)) return value;
  const wanted = bare(value).replaceAll(/[._]/g, " ");
  const whole = staff.find((one) => bare(one.full_name) === wanted || bare(one.email).split("@")[0] === bare(value));
  const found = whole ?? staff.find((one) => bare(one.full_name).startsWith(wanted));
  return found && String(found.id);
}

function oneOf(value: string, known: readonly string[]): string | undefined {
  const values = value.toLowerCase().split(",").filter(Boolean);
  return values.length > 0 && values.every((one) => known.includes(one)) ? values.join(",") : undefined;
}

/** A day (`2026-01-31`), an instant, or so many days ago (`7d`). */
function instant(value: string, now: Date): string | undefined {
  const days = value.match(/^(\d{1,4})d$/)?.[1];
  if (days) return new Date(now.getTime() - Number(days) * 86_400_000).toISOString();
  const at = /^\d{4}-\d\d-\d\d(T.*)?$/.test(value) ? new Date(value) : undefined;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined;
}

export function parse(text: string, staff: readonly Person[] = [], now = new Date()): Parsed {
  const params: ListParams = {};
  const faults: Parsed["faults"] = [];
  const free: string[] = [];
  const readers: Record<string, (value: string) => Partial<ListParams> | undefined> = {
    status: (value) => {
      const status = value === "active" ? ACTIVE.join(",") : oneOf(value, STATUSES);
      return status === undefined ? undefined : { status };
    },
    priority: (value) => {
      const priority = oneOf(value, PRIORITIES);
      return priority === undefined ? undefined : { priority };
    },
    tag: (value) => (value ? { tag: value.toLowerCase() } : undefined),
    assignee: (value) => {
      const id = person(value, staff);
      return id === undefined ? undefined : { assigned_agent_id: id };
    },
    creator: (value) => {
      const id = value === "none" ? undefined : person(value, staff);
      return id === undefined ? undefined : { creator_id: id };
    },
    overdue: (value) => (value === "true" ? { overdue: "true" } : undefined),
    deleted: (value) => (value === "true" ? { deleted: "true" } : undefined),
  };
  for (const name of ["created_after", "created_before", "updated_after", "updated_before"] as const) {
    readers[name] = (value) => {
      const at = instant(value, now);
      return at === undefined ? undefined : { [name]: at };
    };
  }
  for (const word of words(text)) {
    // Everything, said out loud: an empty box could not be told from the start.
    if (word === "*") continue;
    const at = word.indexOf(":");
    const key = at > 0 ? word.slice(0, at).toLowerCase() : "";
    const value = word.slice(at + 1).replaceAll('"', "");
    const reader = readers[key];
    if (reader) {
      const found = reader(value);
      if (found) Object.assign(params, found);
      else faults.push({ word, kind: "value" });
    } else {
      free.push(word);
    }
  }
  if (free.length > 0) params.q = free.join(" ").slice(0, 200);
  return { params, faults };
}

/** The text with one filter set to a value, or taken out. */
export function withFilter(text: string, key: string, value: string | undefined): string {
  const others = words(text).filter((word) => !word.toLowerCase().startsWith(`${key}:`));
  const added = value === undefined ? [] : [`${key}:${/\s/.test(value) ? `"${value}"` : value}`];
  return [...added, ...others].join(" ");
}

/** The value of a filter in the text. */
export function filterOf(text: string, key: string): string | undefined {
  const word = words(text).find((one) => one.toLowerCase().startsWith(`${key}:`));
  return word?.slice(key.length + 1).replaceAll('"', "");
}

/** What the inbox shows when its address says nothing else. */
export const START = "status:active";

/** What an address of the inbox asks for. */
export function inboxList(q: string | undefined, order: string | undefined, staff: readonly Person[] = []) {
  const text = q ?? START;
  const sort = order && SORTS.includes(order) ? order : DEFAULT_SORT;
  const { params, faults } = parse(text, staff);
  return { text, sort, asked: sort === DEFAULT_SORT ? params : { ...params, sort }, faults };
}

/** The view of deleted tickets, which only admins have. */
export const DELETED = "deleted:true";

/** The views that everybody has. */
export const BUILT_IN = [
  { id: "mine", query: "status:active assignee:me" },
  { id: "unassigned", query: "status:active assignee:none" },
  { id: "all", query: "status:active" },
  { id: "overdue", query: "overdue:true" },
] as const;
