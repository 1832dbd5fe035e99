// One thread of what was said and what was done.

import { ActionIcon, Button, Menu, Textarea } from "@mantine/core";
import { IconDots, IconLock } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, body } from "../../api/client";
import { stale } from "../../api/tickets";
import type { Comment, Entry, Priority, Status, Ticket } from "../../api/types";
import { isText, type Translate, useText } from "../../i18n";
import { failed } from "../../lib/notify";
import { useMe } from "../../lib/use-session";
import { confirm } from "../../parts/confirm";
import { Dropdown } from "../../parts/later";
import { Ago } from "../../parts/marks";
import { Prose } from "../../parts/prose";
import { Bones, Failed } from "../../parts/states";
import type { Rights } from "./ticket";

type Item = { at: string; key: string; comment: Comment } | { at: string; key: string; entries: Entry[] };

/** Comments and changes in the order in which they happened; neighbouring changes by one person are one line. */
export function merged(comments: Comment[], activity: Entry[]): Item[] {
  const told = activity.filter((entry) => entry.action.startsWith("ticket.") && entry.action !== "ticket.created");
  const items: Item[] = [
    ...comments.map((comment) => ({ at: comment.created_at, key: `c${comment.id}`, comment })),
    ...told.map((entry) => ({ at: entry.at, key: `e${entry.seq}`, entries: [entry] })),
  ].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.key.startsWith("c") ? -1 : 1));
  const joined: Item[] = [];
  for (const item of items) {
    const last = joined.at(-1);
    if (last && "entries" in last && "entries" in item) {
      const [before, after] = [last.entries.at(-1), item.entries[0]];
      const together =
        before && after && before.actor.id === after.actor.id && Date.parse(after.at) - Date.parse(before.at) < 60_000;
      if (together) {
        last.entries.push(...item.entries);
        continue;
      }
    }
    joined.push("entries" in item ? { ...item, entries: [...item.entries] } : item);
  }
  return joined;
}

/** A value of a field, for people. */
function valueText(field: string, value: unknown, names: Map<number, string>, t: Translate): string {
  if (value === null || value === undefined || value === "") return "–";
  if (field === "status") return t(`status.${value as Status}`);
  if (field === "priority") return t(`priority.${value as Priority}`);
  if (field === "assigned_agent_id") return names.get(value as number) ?? `#${value}`;
  if (Array.isArray(value)) return value.join(", ") || "–";
  return String(value);
}

/** What an entry says, for people. */
export function sentences(entry: Entry, names: Map<number, string>, t: Translate): string[] {
  const changes = entry.changes as Record<string, [unknown, unknown]>;
  const said: string[] = [];
  for (const [field, [before, after]] of Object.entries(changes)) {
    if (field === "assigned_agent_id") {
      if (after === null) said.push(t("event.unassigned"));
      else if (after === entry.actor.id) said.push(t("event.took"));
      else said.push(t("event.assigned", { name: valueText(field, after, names, t) }));
    } else if (field === "status" || field === "priority" || field === "tags") {
      const [from, to] = [valueText(field, before, names, t), valueText(field, after, names, t)];
      said.push(
        field === "status" ? `${from} → ${to}` : t("event.change", { field: t(`field.${field}`), before: from, after: to }),
      );
    } else if (field === "title" || field === "description") {
      said.push(t("event.ticket.updated", { fields: t(`field.${field}`) }));
    }
  }
  const whole = `event.${entry.action}`;
  if (said.length === 0 && entry.action !== "ticket.updated" && isText(whole)) said.push(t(whole));
  return said;
}

function Event({ entries, names }: { entries: Entry[]; names: Map<number, string> }) {
  const { t } = useText();
  const said = entries.flatMap((entry) => sentences(entry, names, t));
  const first = entries[0];
  const last = entries.at(-1);
  if (!first || !last || said.length === 0) return null;
  return (
    <li className="event">
      <span className="event-who">{first.actor.name}</span> {said.join(" · ")} · <Ago at={last.at} />
    </li>
  );
}

function Said({ ticket, comment, mentionable }: { ticket: Ticket; comment: Comment; mentionable: readonly string[] }) {
  const { t } = useText();
  const me = useMe();
  const [text, setText] = useState<string>();
  const mayEdit = comment.author_id === me.id || me.role === "admin";
  const path = { id: ticket.id, comment_id: comment.id };
  const remove = async () => {
    if (!(await confirm(t("ticket.comment_delete_ask"), t("ticket.delete")))) return;
    try {
      await body(api.DELETE("/api/v1/tickets/{id}/comments/{comment_id}", { params: { path } }));
      stale(ticket.id);
    } catch (error) {
      failed(error);
    }
  };
  const save = async () => {
    try {
      await body(
        api.PUT("/api/v1/tickets/{id}/comments/{comment_id}", {
          params: { path, header: { "If-Match": `"${comment.version}"` } },
          body: { content: text ?? "" },
        }),
      );
      setText(undefined);
      stale(ticket.id);
    } catch (error) {
      failed(error);
    }
  };
  let words: ReactNode;
  if (text === undefined) {
    words = <Prose html={comment.content_html ?? ""} names={mentionable} />;
  } else {
    words = (
      <div className="stack">
        <Textarea
          aria-label={t("ticket.comment_edit")}
          className="grows"
          rows={3}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <div className="actions">
          <Button size="xs" onClick={save} disabled={!text.trim()}>
            {t("ticket.save")}
          </Button>
          <Button size="xs" variant="default" onClick={() => setText(undefined)}>
            {t("ticket.cancel")}
          </Button>
        </div>
      </div>
    );
  }
  return (
    <li
      className={`said ${comment.is_internal ? "said-note" : ""} ${comment.author_id === ticket.creator_id ? "" : "said-staff"}`}
    >
      <div className="said-head">
        {comment.is_internal && (
          <span className="note-mark">
            <IconLock size={12} aria-hidden /> {t("ticket.note")}
          </span>
        )}
        <span className="said-who">{comment.author_name}</span>
        {comment.is_internal && <span className="dim note-hint">{t("ticket.note_hint")}</span>}
        <span className="said-when">
          {comment.version > 1 && <span className="dim">{t("ticket.edited")} · </span>}
          <Ago at={comment.created_at} />
        </span>
        {mayEdit && ticket.status !== "closed" && (
          <Dropdown
            position="bottom-end"
            button={
              <ActionIcon variant="subtle" color="gray" size="sm" aria-label={t("people.actions", { name: comment.author_name })}>
                <IconDots size={15} aria-hidden />
              </ActionIcon>
            }
          >
            {comment.author_id === me.id && (
              <Menu.Item onClick={() => setText(comment.content)}>{t("ticket.comment_edit")}</Menu.Item>
            )}
            <Menu.Item onClick={() => void remove()}>{t("ticket.comment_delete")}</Menu.Item>
          </Dropdown>
        )}
      </div>
      {words}
    </li>
  );
}

export function Timeline(props: {
  ticket: Ticket;
  comments: UseQueryResult<Comment[]>;
  activity: Entry[];
  names: Map<number, string>;
  mentionable: readonly string[];
  rights: Rights;
}) {
  const { t } = useText();
  const { ticket, comments, activity, names, mentionable } = props;
  if (comments.isError && !comments.data) return <Failed error={comments.error} retry={() => void comments.refetch()} />;
  if (!comments.data) return <Bones rows={3} />;
  return (
    <section aria-label={t("ticket.timeline")}>
      <ol className="timeline">
        {merged(comments.data, activity).map((item) =>
          "comment" in item ? (
            <Said key={item.key} ticket={ticket} comment={item.comment} mentionable={mentionable} />
          ) : (
            <Event key={item.key} entries={item.entries} names={names} />
          ),
        )}
      </ol>
    </section>
  );
}
