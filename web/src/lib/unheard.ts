// What happens while nobody listens: between the list that is asked for early and the app that shows it, or while another page
// is shown.

import type { LiveEvent } from "./live";

/** The newest of them are enough: more than that, and the list has new rows anyway. */
const MOST = 100;

let events: LiveEvent[] = [];
let gap = false;

export const unheard = {
  event(event: LiveEvent): void {
    events = [...events, event].slice(-MOST);
  },
  /** Something may have happened that no event told. */
  gap(): void {
    gap = true;
  },
  takeEvents(): LiveEvent[] {
    const taken = events;
    events = [];
    return taken;
  },
  takeGap(): boolean {
    const taken = gap;
    gap = false;
    return taken;
  },
  /** Whatever has happened so far is in the answer to what is asked now. */
  forget(): void {
    events = [];
    gap = false;
  },
};
