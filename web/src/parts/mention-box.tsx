// A box for writing in which `@` offers people.

import { Combobox, Textarea, type TextareaProps, useCombobox } from "@mantine/core";
import { type KeyboardEvent, type Ref, useId, useRef, useState } from "react";
import { useText } from "../i18n";
import { complete, fitting, type Typing, typing } from "../lib/mentions";

interface Props extends Omit<TextareaProps, "value" | "onChange"> {
  ref?: Ref<HTMLTextAreaElement>;
  value: string;
  /** Who may be mentioned. */
  names: readonly string[];
  onWrite: (text: string) => void;
}

export function MentionBox({ ref, value, names, onWrite, onKeyDown, ...rest }: Props) {
  const { t } = useText();
  const id = useId();
  const box = useRef<HTMLTextAreaElement>(null);
  const [typed, setTyped] = useState<Typing>();
  const list = useCombobox();
  const offered = typed ? fitting(names, typed.name) : [];
  const open = offered.length > 0;
  const [at, setAt] = useState(0);
  const chosen = Math.min(at, offered.length - 1);

  const look = () => {
    const { current } = box;
    const next =
      current && current.selectionStart === current.selectionEnd ? typing(current.value, current.selectionEnd) : undefined;
    if (next?.at === typed?.at && next?.name === typed?.name) return;
    setTyped(next);
    setAt(0);
  };
  const choose = (name: string) => {
    if (!typed) return;
    const next = complete(value, typed, name);
    onWrite(next.text);
    setTyped(undefined);
    requestAnimationFrame(() => {
      box.current?.focus();
      box.current?.setSelectionRange(next.caret, next.caret);
    });
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    const name = offered[chosen];
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey && !event.nativeEvent.isComposing;
    if (open && plain && name !== undefined) {
      const steps: Record<string, () => void> = {
        ArrowDown: () => setAt((chosen + 1) % offered.length),
        ArrowUp: () => setAt((chosen + offered.length - 1) % offered.length),
        Enter: () => choose(name),
        Tab: () => choose(name),
        Escape: () => setTyped(undefined),
      };
      const step = steps[event.key];
      if (step) {
        event.preventDefault();
        event.stopPropagation();
        return step();
      }
    }
    onKeyDown?.(event);
  };

  return (
    <Combobox
      store={{ ...list, dropdownOpened: open }}
      position="top-start"
      offset={4}
      width={260}
      withinPortal={false}
      shadow="sm"
    >
      <Combobox.DropdownTarget>
        <Textarea
          {...rest}
          ref={(element) => {
            box.current = element;
            if (typeof ref === "function") ref(element);
            else if (ref) ref.current = element;
          }}
          value={value}
          aria-autocomplete="list"
          aria-controls={open ? `${id}-list` : undefined}
          aria-activedescendant={open ? `${id}-${chosen}` : undefined}
          onChange={(event) => {
            onWrite(event.currentTarget.value);
            look();
          }}
          onSelect={look}
          onBlur={() => setTyped(undefined)}
          onKeyDown={press}
        />
      </Combobox.DropdownTarget>
      <Combobox.Dropdown hidden={!open}>
        <Combobox.Options id={`${id}-list`} aria-label={t("ticket.mention")}>
          {offered.map((name, n) => (
            <Combobox.Option
              key={name}
              value={name}
              id={`${id}-${n}`}
              aria-selected={n === chosen}
              className={n === chosen ? "offered" : ""}
              onMouseDown={(event) => {
                event.preventDefault();
                choose(name);
              }}
            >
              {name}
            </Combobox.Option>
          ))}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
