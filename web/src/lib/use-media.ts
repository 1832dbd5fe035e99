import { useSyncExternalStore } from "react";

interface Watched {
  subscribe: (listener: () => void) => () => void;
  matches: () => boolean;
}

const known = new Map<string, Watched>();

function watched(query: string): Watched {
  const found = known.get(query);
  if (found) return found;
  const media = matchMedia(query);
  const fresh: Watched = {
    subscribe: (listener) => {
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    matches: () => media.matches,
  };
  known.set(query, fresh);
  return fresh;
}

/** Whether the screen is so. */
export function useMedia(query: string): boolean {
  const { subscribe, matches } = watched(query);
  return useSyncExternalStore(subscribe, matches);
}
