// The list from which a ticket was opened, so that one can go to its neighbours and back.

export interface LastList {
  /** The address of the list. */
  href: string;
  ids: number[];
}

let last: LastList | undefined;

export const lastList = {
  get: () => last,
  set(next: LastList) {
    last = next;
  },
};
