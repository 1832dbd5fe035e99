// What has happened to the list meanwhile: rows are brought up to date where they stand, new ones are offered.

import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, body } from "../../api/client";
import { type TicketPage, ticketPage } from "../../api/queries";
import { show } from "../../api/tickets";
import type { Ticket } from "../../api/types";
import { underPending } from "../../lib/bulk";
import { onEvent, onGap, soon } from "../../lib/live";
import type { ListParams } from "../../lib/search";

/** How many changed rows are asked for at a time. */
const MOST = 20;

export function useFresh(params: ListParams, rows: Ticket[], loaded: boolean): { count: number; load: () => void } {
  const client = useQueryClient();
  const [fresh, setFresh] = useState(0);
  const known = useRef(rows);
  known.current = rows;
  const ready = useRef(loaded);
  ready.current = loaded;
  // What happened before the list had come is looked at then.
  const waiting = useRef(false);
  const look = useRef(() => {});
  useEffect(() => {
    if (loaded && waiting.current) soon("list", () => look.current());
    if (loaded) waiting.current = false;
  }, [loaded]);
  const changed = useRef(new Set<number>());

  // biome-ignore lint/correctness/useExhaustiveDependencies: another list has nothing new yet
  useEffect(() => {
    setFresh(0);
    changed.current.clear();
  }, [params]);

  useEffect(() => {
    let current = true;
    const read = async () => {
      const ids = [...changed.current].slice(0, MOST);
      changed.current.clear();
      const head = await ticketPage(params, undefined).catch(() => undefined);
      if (!current || !head) return;
      const shown = new Set(known.current.map((row) => row.id));
      const inHead = new Set(head.rows.map((row) => row.id));
      for (const row of head.rows) if (shown.has(row.id)) show(row.id, underPending(row));
      const rest = ids.filter((id) => shown.has(id) && !inHead.has(id));
      const others = await Promise.all(
        rest.map((id) => body(api.GET("/api/v1/tickets/{id}", { params: { path: { id } } })).catch(() => undefined)),
      );
      if (!current) return;
      for (const ticket of others) if (ticket) show(ticket.id, underPending(ticket));
      client.setQueryData<InfiniteData<TicketPage>>(["tickets", "list", params], (data) => {
        const [first, ...more] = data?.pages ?? [];
        if (!data || !first) return data;
        return { ...data, pages: [{ ...first, total: head.total, capped: head.capped }, ...more] };
      });
      // Only what belongs above the rows that are loaded is new; the rest comes by scrolling.
      const complete = known.current.length <= head.rows.length && head.next === undefined;
      const last = head.rows.findLastIndex((row) => shown.has(row.id));
      const above = complete ? head.rows : head.rows.slice(0, last + 1);
      setFresh(above.filter((row) => !shown.has(row.id)).length);
    };
    look.current = () => {
      if (ready.current) void read();
      else waiting.current = true;
    };
    const later = () => soon("list", () => look.current());
    const stop = onEvent((event) => {
      if (event.ticket_id === null) return;
      changed.current.add(event.ticket_id);
      later();
    });
    const stopGaps = onGap(later);
    return () => {
      current = false;
      stop();
      stopGaps();
    };
  }, [params, client]);

  const load = useCallback(() => {
    setFresh(0);
    void client.resetQueries({ queryKey: ["tickets", "list", params], exact: true });
  }, [client, params]);
  return { count: fresh, load };
}
