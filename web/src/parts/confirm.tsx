// A question before what cannot be taken back.

import { Button, Modal } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { useText } from "../i18n";

interface Question {
  text: string;
  yes: string;
  answer: (yes: boolean) => void;
}

let question: Question | undefined;
const listeners = new Set<() => void>();

function set(next: Question | undefined) {
  question = next;
  for (const listener of listeners) listener();
}

/** Asks, and tells the answer. */
export function confirm(text: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    set({
      text,
      yes,
      answer: (said) => {
        set(undefined);
        resolve(said);
      },
    });
  });
}

export function Confirm() {
  const { t } = useText();
  const asked = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => question,
  );
  return (
    <Modal
      opened={asked !== undefined}
      onClose={() => asked?.answer(false)}
      title={asked?.yes ?? ""}
      closeButtonProps={{ "aria-label": t("ticket.cancel") }}
    >
      <p>{asked?.text}</p>
      <div className="actions actions-end">
        <Button variant="default" onClick={() => asked?.answer(false)}>
          {t("ticket.cancel")}
        </Button>
        <Button color="red" data-autofocus onClick={() => asked?.answer(true)}>
          {asked?.yes}
        </Button>
      </div>
    </Modal>
  );
}
