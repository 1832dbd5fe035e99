// What the pages ask the server, under the names by which it is kept and made stale.

import { infiniteQueryOptions, QueryClient, type QueryFilters, queryOptions } from "@tanstack/react-query";
import type { ListParams } from "../lib/search";
import { unheard } from "../lib/unheard";
import { ApiError, api, body, full, nextCursor, open } from "./client";
import type { Comment, Entry, Ticket, User } from "./types";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      // A refusal stays one; a server that is away is asked again until it is back.
      retry: (count, error) => !(error instanceof ApiError) || (isAway(error) && count < 60),
      retryDelay: (count) => Math.min(500 * 2 ** count, 5_000),
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

/** Tickets that this tab deletes: while their view closes, nothing about them is asked again. */
const deleting = new Set<number>();

/** Says whether a ticket is being deleted, or has been. */
export function setDeleting(ticket: number, is: boolean): void {
  if (is) deleting.add(ticket);
  else deleting.delete(ticket);
}

/**
 * Has what is kept asked again. A first answer that is under way may have been read before what made it out of date; so it
 * is asked once more when it has come.
 */
export function outOfDate(filters: QueryFilters): void {
  const [kind, id] = filters.queryKey ?? [];
  if (kind === "ticket" && deleting.has(id as number)) return;
  for (const query of queryClient.getQueryCache().findAll(filters)) {
    if (query.state.fetchStatus !== "fetching" || query.state.data !== undefined) continue;
    const again = () => void queryClient.invalidateQueries({ queryKey: query.queryKey, exact: true });
    query.promise?.then(again, () => undefined);
  }
  void queryClient.invalidateQueries(filters);
}

/** Whether the server gave no answer, or none for now. */
export function isAway(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 502 || error.status === 503);
}

export interface TicketPage {
  rows: Ticket[];
  next: string | undefined;
  total: number | undefined;
  capped: boolean;
}

const PAGE = 100;

export async function ticketPage(params: ListParams, cursor: string | undefined, limit = PAGE): Promise<TicketPage> {
  const query = { ...params, limit, ...(cursor ? { cursor } : {}) };
  // Lists go over the wire with commas between their values.
  const { data, headers } = await full(
    api.GET("/api/v1/tickets", { params: { query: query as never }, querySerializer: serialized }),
  );
  const total = headers.get("X-Total-Count");
  return {
    rows: data,
    next: nextCursor(headers),
    total: total === null ? undefined : Number(total),
    capped: headers.has("X-Total-Count-Capped"),
  };
}

/** A query string of plain values. */
export function serialized(query: Record<string, unknown>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return new URLSearchParams(pairs as [string, string][]).toString();
}

export const ticketsQuery = (params: ListParams) =>
  infiniteQueryOptions({
    queryKey: ["tickets", "list", params] as const,
    queryFn: ({ pageParam }) => {
      if (pageParam === undefined) unheard.forget();
      return ticketPage(params, pageParam);
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    // What one reads must not move by itself: the list asks for what is new and offers it.
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    // Thousands of rows are not compared with themselves at every page that is added.
    structuralSharing: false,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });

export const countQuery = (params: ListParams) =>
  queryOptions({
    queryKey: ["tickets", "count", params] as const,
    queryFn: async () => {
      const page = await ticketPage(params, undefined, 1);
      return { total: page.total ?? 0, capped: page.capped };
    },
  });

export const ticketQuery = (id: number) =>
  queryOptions({
    queryKey: ["ticket", id] as const,
    queryFn: () => body(api.GET("/api/v1/tickets/{id}", { params: { path: { id }, query: { render: "html" } as never } })),
  });

const MOST_PAGES = 20;

export const commentsQuery = (id: number) =>
  queryOptions({
    queryKey: ["ticket", id, "comments"] as const,
    queryFn: async () => {
      const all: Comment[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const query = { render: "html", limit: 200, ...(cursor ? { cursor } : {}) } as never;
        const { data, headers } = await full(api.GET("/api/v1/tickets/{id}/comments", { params: { path: { id }, query } }));
        all.push(...data);
        cursor = nextCursor(headers);
        if (!cursor) break;
      }
      return all;
    },
  });

export const ticketActivityQuery = (id: number) =>
  queryOptions({
    queryKey: ["ticket", id, "activity"] as const,
    queryFn: async () => {
      const all: Entry[] = [];
      for (let page = 0; page < MOST_PAGES; page++) {
        const query = { after: all.at(-1)?.seq ?? 0, limit: 200 } as never;
        const part = await body(api.GET("/api/v1/tickets/{id}/activity", { params: { path: { id }, query } }));
        all.push(...part);
        if (part.length < 200) break;
      }
      return all;
    },
  });

/** Fetches all that the page of a ticket shows, unless it is known. */
export function fetchAhead(id: number): void {
  for (const query of [ticketQuery(id), commentsQuery(id), ticketActivityQuery(id)]) {
    void queryClient.prefetchQuery(query as Parameters<typeof queryClient.prefetchQuery>[0]);
  }
}

export const logQuery = () =>
  infiniteQueryOptions({
    queryKey: ["activity"] as const,
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/api/v1/activity", { params: { query: { before: pageParam ?? Number.MAX_SAFE_INTEGER, limit: 100 } as never } }),
      ),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page: Entry[]) => (page.length < 100 ? undefined : page.at(-1)?.seq),
  });

async function allUsers(query: Record<string, unknown>): Promise<User[]> {
  const all: User[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { data, headers } = await full(
      api.GET("/api/v1/users", {
        params: { query: { ...query, limit: 200, ...(cursor ? { cursor } : {}) } as never },
        querySerializer: serialized,
      }),
    );
    all.push(...data);
    cursor = nextCursor(headers);
    if (!cursor) break;
  }
  return all;
}

/** Everybody who may be given a ticket. */
export const staffQuery = () =>
  queryOptions({
    queryKey: ["users", "staff"] as const,
    queryFn: async () => {
      const lists = await Promise.all(["agent", "admin"].map((role) => allUsers({ role, is_active: true })));
      return lists.flat().sort((a, b) => a.full_name.localeCompare(b.full_name));
    },
    staleTime: 60_000,
  });

export interface PeopleParams {
  role?: string;
  is_active?: boolean;
  q?: string;
}

export const peopleQuery = (params: PeopleParams) =>
  queryOptions({
    queryKey: ["users", "list", params] as const,
    queryFn: () => allUsers({ ...params }),
    placeholderData: (before: User[] | undefined) => before,
  });

/** Requesters by the beginning of their name or address, for the form that opens a ticket on behalf of somebody. */
export const requestersQuery = (q: string) =>
  queryOptions({
    queryKey: ["users", "find", q] as const,
    queryFn: () =>
      body(
        api.GET("/api/v1/users", {
          params: { query: { is_active: true, limit: 20, ...(q ? { q } : {}) } as never },
          querySerializer: serialized,
        }),
      ),
    placeholderData: (before: User[] | undefined) => before,
  });

export const preferencesQuery = () =>
  queryOptions({
    queryKey: ["preferences"] as const,
    queryFn: () => body(api.GET("/api/v1/preferences")),
    staleTime: 60_000,
  });

export const settingsQuery = () =>
  queryOptions({ queryKey: ["settings"] as const, queryFn: () => body(api.GET("/api/v1/settings")) });

export const sessionsQuery = () =>
  queryOptions({ queryKey: ["sessions"] as const, queryFn: () => body(api.GET("/api/v1/auth/sessions")) });

export const tokensQuery = () =>
  queryOptions({ queryKey: ["tokens"] as const, queryFn: () => body(api.GET("/api/v1/auth/tokens")) });

/** What strangers may know of the desk. */
export const deskQuery = () =>
  queryOptions({
    queryKey: ["desk"] as const,
    queryFn: () => body(open.GET("/api/v1/desk")),
    staleTime: 300_000,
  });
