import type { MouseEvent } from "react";

/**
 * Whether a press on a link is for the app; else the browser opens a tab or a window. The router's own link works out
 * where it is at each drawing, which takes longer than a row of a list.
 */
export function isForUs(event: MouseEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return false;
  event.preventDefault();
  return true;
}
