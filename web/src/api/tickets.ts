// Changing tickets: shown at once, taken back when the desk refuses.

import type { InfiniteData } from "@tanstack/react-query";
import { ApiError, api, body } from "./client";
import { outOfDate, queryClient, setDeleting, type TicketPage } from "./queries";
import type { Ticket, TicketChange } from "./types";

export type Patch = Partial<Ticket>;

/** Brings what is shown of a ticket up to date, wherever it is shown. */
export function show(id: number, patch: Patch): void {
  queryClient.setQueryData<Ticket>(["ticket", id], (ticket) => ticket && { ...ticket, ...patch });
  queryClient.setQueriesData<InfiniteData<TicketPage>>({ queryKey: ["tickets", "list"] }, (data) => {
    if (!data?.pages.some((page) => page.rows.some((row) => row.id === id))) return data;
    const pages = data.pages.map((page) => ({
      ...page,
      rows: page.rows.map((row) => (row.id === id ? { ...row, ...patch } : row)),
    }));
    return { ...data, pages };
  });
}

/** A ticket as some list or page shows it. */
export function shown(id: number): Ticket | undefined {
  const one = queryClient.getQueryData<Ticket>(["ticket", id]);
  if (one) return one;
  for (const [, data] of queryClient.getQueriesData<InfiniteData<TicketPage>>({ queryKey: ["tickets", "list"] })) {
    for (const page of data?.pages ?? []) {
      const row = page.rows.find((ticket) => ticket.id === id);
      if (row) return row;
    }
  }
  return undefined;
}

/** What a change does to what is shown, before the desk has answered. */
export function preview(change: TicketChange, names: Map<number, string>): Patch {
  const { assigned_agent_id, ...fields } = change;
  const patch = { ...fields } as Patch;
  if (assigned_agent_id !== undefined) {
    patch.assigned_agent_id = assigned_agent_id;
    patch.assigned_agent_name = assigned_agent_id === null ? null : (names.get(assigned_agent_id) ?? "…");
  }
  return patch;
}

/** Changes a ticket unless it has been changed since `version`. */
export async function change(id: number, fields: TicketChange, version: number | undefined): Promise<Ticket> {
  return body(
    api.PATCH("/api/v1/tickets/{id}", {
      params: { path: { id }, ...(version === undefined ? {} : { header: { "If-Match": `"${version}-0"` } }) },
      body: fields,
    }),
  );
}

/** Changes a ticket and shows it at once; takes it back when it is refused. */
export async function changeShown(
  id: number,
  fields: TicketChange,
  version: number | undefined,
  names: Map<number, string>,
): Promise<Ticket> {
  await queryClient.cancelQueries({ queryKey: ["ticket", id], exact: true });
  const before = shown(id);
  show(id, preview(fields, names));
  try {
    const after = await change(id, fields, version);
    show(id, after);
    return after;
  } catch (error) {
    if (before) show(id, before);
    throw error;
  } finally {
    stale(id);
  }
}

/** Has everything about a ticket, and all counts, asked again. */
export function stale(id: number): void {
  outOfDate({ queryKey: ["ticket", id] });
  outOfDate({ queryKey: ["tickets", "count"] });
  outOfDate({ queryKey: ["board"] });
}

export const isStale = (error: unknown): boolean => error instanceof ApiError && error.status === 412;

/** Brings a deleted ticket back. */
export async function restore(id: number): Promise<void> {
  await body(api.POST("/api/v1/tickets/{id}/restore", { params: { path: { id } } }));
  setDeleting(id, false);
  stale(id);
}

/** Brings deleted tickets back, one after the other; gives what was refused. */
export async function restoreAll(ids: number[]): Promise<unknown[]> {
  const refused: unknown[] = [];
  for (const id of ids) await restore(id).catch((error) => refused.push(error));
  void queryClient.resetQueries({ queryKey: ["tickets", "list"] });
  return refused;
}
