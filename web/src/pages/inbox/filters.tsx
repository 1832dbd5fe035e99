// What the list shows: by words in the box, or by a menu that writes them.

import { ActionIcon, Menu, TextInput } from "@mantine/core";
import { IconFilter, IconSearch } from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { PRIORITIES, STATUSES } from "../../api/types";
import { useText } from "../../i18n";
import { filterOf } from "../../lib/search";
import { Dropdown } from "../../parts/later";
import { PriorityMark, StatusMark } from "../../parts/marks";

export function SearchBox({ text, onSearch }: { text: string; onSearch: (text: string) => void }) {
  const { t } = useText();
  const [typed, setTyped] = useState(text);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const sent = useRef<string>(undefined);
  useEffect(() => {
    // What was typed here comes back without the space at its end, and while one types on; the box is ahead of it.
    if (sent.current !== text) {
      clearTimeout(timer.current);
      setTyped(text);
    }
    sent.current = undefined;
  }, [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const go = (next: string) => {
    clearTimeout(timer.current);
    sent.current = next.trim();
    onSearch(sent.current);
  };
  return (
    <form
      role="search"
      className="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(typed);
        (document.activeElement as HTMLElement | null)?.blur();
      }}
    >
      <TextInput
        data-search
        aria-label={t("inbox.search")}
        placeholder={t("inbox.search_placeholder")}
        title={t("inbox.search_help")}
        leftSection={<IconSearch size={15} aria-hidden />}
        value={typed}
        size="sm"
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => {
          const next = event.currentTarget.value;
          setTyped(next);
          clearTimeout(timer.current);
          timer.current = setTimeout(go, 250, next);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
    </form>
  );
}

interface FilterMenuProps {
  text: string;
  /** Whether deleted tickets may be seen. */
  admin: boolean;
  onFilter: (filter: string, value: string | undefined) => void;
}

/** Sets one filter of the box without typing. */
export function FilterMenu({ text, admin, onFilter }: FilterMenuProps) {
  const { t } = useText();
  const item = (filter: string, value: string, label: ReactNode) => {
    const on = filterOf(text, filter) === value;
    return (
      <Menu.Item key={`${filter}:${value}`} onClick={() => onFilter(filter, on ? undefined : value)}>
        <span className={on ? "chosen" : ""}>{label}</span>
      </Menu.Item>
    );
  };
  return (
    <Dropdown
      position="bottom-end"
      width={210}
      tip={t("inbox.filter")}
      button={
        <ActionIcon variant="default" size={34} aria-label={t("inbox.filter")}>
          <IconFilter size={16} aria-hidden />
        </ActionIcon>
      }
    >
      <Menu.Label>{t("field.status")}</Menu.Label>
      {STATUSES.map((status) => item("status", status, <StatusMark status={status} />))}
      <Menu.Label>{t("field.priority")}</Menu.Label>
      {PRIORITIES.map((priority) => item("priority", priority, <PriorityMark priority={priority} />))}
      <Menu.Label>{t("field.assignee")}</Menu.Label>
      {item("assignee", "me", t("view.mine"))}
      {item("assignee", "none", t("view.unassigned"))}
      {admin && (
        <>
          <Menu.Divider />
          {item("deleted", "true", t("view.deleted_tickets"))}
        </>
      )}
    </Dropdown>
  );
}
