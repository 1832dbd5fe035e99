import { Kbd, Modal } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { type Text, useText } from "../i18n";

const KEYS: [string[], Text][] = [
  [["Ctrl/⌘", "K"], "keys.palette"],
  [["/"], "keys.search"],
  [["c"], "keys.create"],
  [["j", "k"], "keys.move"],
  [["x"], "keys.select"],
  [["Enter"], "keys.open"],
  [["a"], "keys.assign"],
  [["s"], "keys.status"],
  [["p"], "keys.priority"],
  [["r"], "keys.reply"],
  [["n"], "keys.note"],
  [["@"], "keys.mention"],
  [["Ctrl", "Enter"], "keys.send"],
  [["Ctrl", "Shift", "Enter"], "keys.send_resolve"],
  [["?"], "keys.help"],
  [["Esc"], "keys.back"],
];

let opened = false;
const listeners = new Set<() => void>();

function set(next: boolean) {
  opened = next;
  for (const listener of listeners) listener();
}

/** What the keys do. */
export function KeyHelp() {
  const { t } = useText();
  const open = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => opened,
  );
  return (
    <Modal
      opened={open}
      onClose={() => set(false)}
      title={t("keys.title")}
      closeButtonProps={{ "aria-label": t("settings.done") }}
    >
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={what} className="keys-row">
            <dt>{t(what)}</dt>
            <dd>
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}

KeyHelp.open = () => set(true);
