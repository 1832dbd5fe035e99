import { useEffect, useRef } from "react";

type Keys = Record<string, (event: KeyboardEvent) => void>;

/** Whether keys go into a text, a menu or a dialog, and are no shortcuts. */
function busy(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) {
    return !(target instanceof HTMLInputElement && /^(checkbox|radio|button|submit)$/.test(target.type));
  }
  return target.closest("[role=dialog],[role=menu],[role=listbox]") !== null;
}

/** One-letter shortcuts of a page. Enter and blank stay with buttons and links that have the focus. */
export function useKeys(keys: Keys, enabled = true): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    if (!enabled) return;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || busy(event.target)) return;
      // A dialog is in front of the page's own keys, wherever the focus is.
      if (document.querySelector("[role=dialog][aria-modal=true]")) return;
      if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("a,button,summary")) return;
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action(event);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [enabled]);
}
