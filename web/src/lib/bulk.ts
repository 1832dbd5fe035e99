// Changes to many tickets: shown at once, sent after six seconds or on leaving, and until then taken back by one click.

import { useSyncExternalStore } from "react";
import { api, body } from "../api/client";
import { session } from "../api/session";
import { show, shown, stale } from "../api/tickets";
import type { BulkFields, BulkResults, Ticket } from "../api/types";
import { translate as t } from "../i18n";
import { announce } from "./announce";
import { failed, told, warned } from "./notify";

const DELAY = 6_000;

export interface Pending {
  ids: number[];
  change: BulkFields;
  /** The change in words. */
  what: string;
  before: Ticket[];
  /** What is shown of each ticket instead. */
  patches: Map<number, Partial<Ticket>>;
  timer: ReturnType<typeof setTimeout>;
}

let pending: Pending | undefined;
const listeners = new Set<() => void>();

function become(next: Pending | undefined): void {
  pending = next;
  for (const listener of listeners) listener();
}

export function usePending(): Pending | undefined {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => pending,
  );
}

/** What a bulk change does to one ticket as it is shown. */
export function applied(ticket: Ticket, change: BulkFields, names: Map<number, string>): Partial<Ticket> {
  const patch: Partial<Ticket> = {};
  if (change.status) patch.status = change.status;
  if (change.priority) patch.priority = change.priority;
  if (change.assigned_agent_id !== undefined) {
    const id = change.assigned_agent_id;
    patch.assigned_agent_id = id;
    patch.assigned_agent_name = id === null ? null : (names.get(id) ?? "…");
    // The desk does the same.
    if (id !== null && ticket.status === "open" && !change.status) patch.status = "in_progress";
  }
  if (change.add_tags || change.remove_tags) {
    const tags = new Set([...ticket.tags, ...(change.add_tags ?? [])]);
    for (const tag of change.remove_tags ?? []) tags.delete(tag);
    patch.tags = [...tags].sort();
  }
  return patch;
}

/** Shows a change and holds it back for six seconds. One that is held back already is sent first. */
export function changeMany(ids: number[], change: BulkFields, what: string, names: Map<number, string>): void {
  flush();
  const before = ids.flatMap((id) => shown(id) ?? []);
  const patches = new Map(before.map((ticket) => [ticket.id, applied(ticket, change, names)]));
  for (const [id, patch] of patches) show(id, patch);
  become({ ids, change, what, before, patches, timer: setTimeout(flush, DELAY) });
  announce(t("bulk.pending", { count: ids.length, what }));
}

/** A ticket as the desk tells it now, as it is to be shown: under the change that is held back. */
export function underPending(ticket: Ticket): Ticket {
  const patch = pending?.patches.get(ticket.id);
  if (!pending || !patch) return ticket;
  // What is shown when the change is taken back.
  pending.before = pending.before.map((one) => (one.id === ticket.id ? ticket : one));
  return { ...ticket, ...patch };
}

/** Takes the change back that is held back. */
export function undo(): void {
  if (!pending) return;
  clearTimeout(pending.timer);
  for (const ticket of pending.before) show(ticket.id, ticket);
  become(undefined);
  told(t("bulk.undone"));
}

function report(results: BulkResults, before: Ticket[]): void {
  const refused = results.results.filter((result) => result.status !== 200);
  const saved = results.results.length - refused.length;
  for (const { id } of refused) {
    const ticket = before.find((one) => one.id === id);
    if (ticket) show(id, ticket);
  }
  if (refused.length > 0) {
    const first = refused[0];
    const why = first && "detail" in first && first.detail ? first.detail : t("problem.forbidden");
    warned(t("bulk.refused", { count: refused.length, why }));
  }
  if (saved > 0) announce(t("bulk.saved", { count: saved }));
}

/** Sends the change that is held back now. */
export function flush(): void {
  if (!pending) return;
  const { ids, change, before, timer } = pending;
  clearTimeout(timer);
  become(undefined);
  const send = async () => {
    // The API takes 500 at a time.
    for (let from = 0; from < ids.length; from += 500) {
      const part = ids.slice(from, from + 500);
      report(
        await body(
          api.POST("/api/v1/tickets/bulk", {
            params: { header: { "Idempotency-Key": crypto.randomUUID() } as never },
            body: { ids: part, change },
          }),
        ),
        before,
      );
    }
    for (const id of ids) stale(id);
  };
  send().catch((error) => {
    for (const ticket of before) show(ticket.id, ticket);
    failed(error);
  });
}

// Leaving the page sends what is held back, also when the page does not live to see the answer.
window.addEventListener("pagehide", () => {
  const token = session.token();
  if (!pending || !token) return;
  const { ids, change, timer } = pending;
  clearTimeout(timer);
  pending = undefined;
  void fetch("/api/v1/tickets/bulk", {
    method: "POST",
    keepalive: true,
    headers: {
      "Content-Type": "application/json",
      Authorization: `Bearer ${token}`,
      "Idempotency-Key": crypto.randomUUID(),
    },
    body: JSON.stringify({ ids: ids.slice(0, 500), change }),
  });
});
