// One list to choose from, by typing: the palette of commands, and the choice of assignee, status, priority or tag.

import { createSpotlight, Spotlight } from "@mantine/spotlight";
import { type ReactNode, useState, useSyncExternalStore } from "react";
import { useText } from "../i18n";

export interface Choice {
  id: string;
  label: string;
  hint?: string;
  icon?: ReactNode;
  group?: string;
  run: () => void;
}

export interface Picking {
  placeholder: string;
  choices: Choice[];
  /** Further choices that follow from what is typed. */
  typed?: (text: string) => Choice[];
}

const [store, spotlight] = createSpotlight();

let picking: Picking = { placeholder: "", choices: [] };
const listeners = new Set<() => void>();

/** Shows the list. */
export function pick(next: Picking): void {
  picking = next;
  for (const listener of listeners) listener();
  spotlight.open();
}

const bare = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

export function Picker() {
  const { t } = useText();
  const [text, setText] = useState("");
  const { placeholder, choices, typed } = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => picking,
  );
  const wanted = bare(text.trim());
  const fitting = choices.filter((choice) => bare(`${choice.label} ${choice.hint ?? ""}`).includes(wanted)).slice(0, 50);
  const all = [...fitting, ...(typed?.(text.trim()) ?? [])];
  return (
    <Spotlight.Root
      store={store}
      query={text}
      onQueryChange={setText}
      onSpotlightClose={() => setText("")}
      shortcut={null}
      scrollable
      maxHeight={420}
      transitionProps={{ duration: 80 }}
    >
      <Spotlight.Search placeholder={placeholder} aria-label={placeholder} />
      <Spotlight.ActionsList>
        {all.map((choice) => (
          <Spotlight.Action key={choice.id} onClick={choice.run}>
            <span className="choice">
              {choice.icon && <span className="mark-box">{choice.icon}</span>}
              <span className="choice-label">{choice.label}</span>
              {choice.hint && <span className="dim">{choice.hint}</span>}
            </span>
          </Spotlight.Action>
        ))}
        {all.length === 0 && <Spotlight.Empty>{t("pick.nothing")}</Spotlight.Empty>}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
}
