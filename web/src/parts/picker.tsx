// One list to choose from, by typing: the palette of commands, and the choice of assignee, status, priority or tag.

import { createSpotlight, Spotlight } from "@mantine/spotlight";
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { flushSync } from "react-dom";
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
let typing: (text: string) => void = () => {};
const listeners = new Set<() => void>();

/** Shows the list. */
export function pick(next: Picking): void {
  picking = next;
  // The very next key must find the list open and the field ready.
  flushSync(() => {
    typing("");
    for (const listener of listeners) listener();
    spotlight.open();
  });
  document.querySelector<HTMLInputElement>("[data-picker]")?.focus();
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
  useEffect(() => {
    typing = setText;
  }, []);
  const wanted = bare(text.trim());
  const fitting = choices.filter((choice) => bare(`${choice.label} ${choice.hint ?? ""}`).includes(wanted)).slice(0, 50);
  const all = [...fitting, ...(typed?.(text.trim()) ?? [])];
  return (
    <Spotlight.Root
      store={store}
      query={text}
      onQueryChange={setText}
      clearQueryOnClose={false}
      attributes={{ content: { "aria-label": placeholder } }}
      shortcut={null}
      scrollable
      maxHeight={420}
      overlayProps={{ blur: 0, backgroundOpacity: 0.3 }}
      transitionProps={{ duration: 0 }}
    >
      <Spotlight.Search
        data-picker
        placeholder={placeholder}
        aria-label={placeholder}
        onKeyDown={(event) => {
          // Enter right after a letter comes before the list has marked its first line.
          const first = all[0];
          if (event.key !== "Enter" || !first || document.querySelector(".mantine-Spotlight-action[data-selected]")) return;
          event.preventDefault();
          spotlight.close();
          first.run();
        }}
      />
      <Spotlight.ActionsList>
        {all.map((choice) => (
          <Spotlight.Action key={choice.id} onClick={choice.run}>
            <span className="choice">
              {choice.icon}
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
