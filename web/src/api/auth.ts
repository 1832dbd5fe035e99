// Signing in and out. Like all that it imports, this is there before the rest of the app: see early.ts.

import { begin } from "../lib/live";
import { inboxList } from "../lib/search";
import { api, body, open, refresh } from "./client";
import { queryClient, ticketsQuery } from "./queries";
import { session } from "./session";

/** Other tabs of this browser hear of sign-in and sign-out. */
const tabs = new BroadcastChannel("taquilla.session");
tabs.onmessage = (event) => {
  if (event.data === "out") session.signedOut();
  if (event.data === "in" && session.get().kind !== "in") void resume();
};

/** How long what only helps is waited for, in milliseconds. */
const PATIENCE = 500;

function patiently(helpful: Promise<unknown>): Promise<unknown> {
  return Promise.race([helpful, new Promise((done) => setTimeout(done, PATIENCE))]);
}

/** Fetches the list of whoever lands in the inbox while the desk says who it is. */
async function inboxAhead(): Promise<void> {
  if (!session.wasStaff() || !["/", "/inbox"].includes(location.pathname)) return;
  const address = new URLSearchParams(location.search);
  const { asked } = inboxList(address.get("q") ?? undefined, address.get("sort") ?? undefined);
  await queryClient.prefetchInfiniteQuery(ticketsQuery(asked));
}

async function enter(): Promise<void> {
  // What is asked once the stream has begun need not be asked again because something may have happened meanwhile.
  const begun = patiently(begin());
  const [user] = await Promise.all([body(api.GET("/api/v1/auth/me")), begun, patiently(begun.then(inboxAhead))]);
  session.signedIn(user);
}

export async function signIn(username: string, password: string): Promise<void> {
  const pair = await body(
    open.POST("/api/v1/auth/login", {
      params: { query: { session: "cookie" } as never },
      body: { username, password } as never,
    }),
  );
  session.setToken(pair.access_token);
  queryClient.clear();
  await enter();
  tabs.postMessage("in");
}

export async function signOut(): Promise<void> {
  await api.POST("/api/v1/auth/logout").catch(() => undefined);
  session.signedOut();
  queryClient.clear();
  tabs.postMessage("out");
}

let resuming: Promise<void> | undefined;

/** Goes on with the session that this browser had; at most one call at a time. Throws while the desk is away. */
export function resume(): Promise<void> {
  resuming ??= goOn().finally(() => {
    resuming = undefined;
  });
  return resuming;
}

async function goOn(): Promise<void> {
  if (!session.token() && !(await refresh())) {
    session.signedOut("expired");
    return;
  }
  await enter();
}
