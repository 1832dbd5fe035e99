import { useSyncExternalStore } from "react";

let text = "";
const listeners = new Set<() => void>();

/** Has a screen reader say something. */
export function announce(message: string): void {
  // The same words twice must still be a change.
  text = text === message ? `${message}\u00a0` : message;
  for (const listener of listeners) listener();
}

export function useAnnouncement(): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => text,
  );
}
