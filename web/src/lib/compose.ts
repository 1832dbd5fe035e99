// From anywhere to the box for writing of the ticket that is shown.

export type Kind = "reply" | "note";

let box: ((kind: Kind) => void) | undefined;
let wanted: Kind | undefined;

/** Goes to the box for writing; when there is none yet, as soon as a ticket is shown. */
export function composeAs(kind: Kind): void {
  if (box) box(kind);
  else wanted = kind;
}

/** Says how one goes to the box, until the returned function is called. */
export function composer(go: (kind: Kind) => void): () => void {
  box = go;
  if (wanted) go(wanted);
  wanted = undefined;
  return () => {
    box = undefined;
  };
}
