// Who is signed in. The access token lives in memory only; the refresh token is a cookie that no script can read.

import type { User } from "./types";

export type SessionState = { kind: "unknown" } | { kind: "out"; why?: "expired" } | { kind: "in"; user: User };

/** The role of whoever has a session in this browser: a first visit has none and asks for none. */
const HINT = "taquilla.session";

let state: SessionState = localStorage.getItem(HINT) ? { kind: "unknown" } : { kind: "out" };
let token: string | undefined;
const listeners = new Set<() => void>();

function become(next: SessionState) {
  state = next;
  for (const listener of listeners) listener();
}

export const session = {
  get: () => state,
  token: () => token,
  subscribe(listener: () => void) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  signedIn(user: User) {
    localStorage.setItem(HINT, user.role);
    become({ kind: "in", user });
  },
  setToken(next: string) {
    token = next;
  },
  signedOut(why?: "expired") {
    token = undefined;
    localStorage.removeItem(HINT);
    become(why ? { kind: "out", why } : { kind: "out" });
  },
  hinted: () => localStorage.getItem(HINT) !== null,
  /** Whether it was one of the staff, as far as this browser knows. */
  wasStaff: () => ["agent", "admin"].includes(localStorage.getItem(HINT) ?? ""),
};
