import { useSyncExternalStore } from "react";
import { session } from "../api/session";
import type { User } from "../api/types";

export function useSession() {
  return useSyncExternalStore(session.subscribe, session.get);
}

/** Who is signed in; only for what stands inside of the shell. */
export function useMe(): User {
  const state = useSession();
  if (state.kind !== "in") throw new Error("nobody is signed in");
  return state.user;
}
