import { startTransition, useEffect, useState } from "react";

/** Who waits for the next painting; all of them go on in one turn, so that what they add is drawn once. */
let waiting: Set<() => void> | undefined;

function afterPainting(run: () => void): () => void {
  if (!waiting) {
    const all = new Set<() => void>();
    waiting = all;
    const goOn = () =>
      startTransition(() => {
        for (const one of all) one();
      });
    // The turn after the next frame. Who comes in between has not been painted yet.
    requestAnimationFrame(() => {
      waiting = undefined;
      setTimeout(goOn);
    });
  }
  const wave = waiting;
  wave.add(run);
  return () => wave.delete(run);
}

/** Whether the component has been painted: what else it needs to know or to draw comes after that. */
export function usePainted(): boolean {
  const [painted, setPainted] = useState(false);
  useEffect(() => afterPainting(() => setPainted(true)), []);
  return painted;
}
