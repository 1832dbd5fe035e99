// The log: who did what, newest first, as it happens.

import { Button, Select, TextInput } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, Navigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { logQuery, peopleQuery } from "../api/queries";
import type { Entry } from "../api/types";
import { isText, type Text, type Translate, useText } from "../i18n";
import { useMe } from "../lib/use-session";
import { Ago } from "../parts/marks";
import { Bones, Empty, Failed } from "../parts/states";

const GROUPS = {
  all: () => true,
  tickets: (action: string) => action.startsWith("ticket."),
  comments: (action: string) => action.startsWith("comment."),
  users: (action: string) => action.startsWith("user.") || action.startsWith("session."),
  settings: (action: string) => /^(settings|token|setup|backup)\./.test(action),
} as const;

type Group = keyof typeof GROUPS;

function actionText(action: string, t: Translate): string {
  const key = `action.${action}`;
  return isText(key) ? t(key) : action;
}

/** What people know a field of the log by. */
const FIELDS: Record<string, Text> = {
  title: "field.title",
  description: "field.description",
  status: "field.status",
  priority: "field.priority",
  tags: "field.tags",
  assigned_agent_id: "field.assignee",
  full_name: "people.name",
  email: "people.email",
  role: "people.role",
  locale: "settings.language",
  theme: "settings.theme",
  organisation_name: "settings.organisation",
  time_zone: "settings.time_zone",
};

/** A value of the log, short. */
function valueText(field: string, value: unknown, names: Map<number, string>, t: Translate): string {
  if (value === null || value === undefined) return "–";
  if (field === "assigned_agent_id") return names.get(value as number) ?? `#${value}`;
  const known = `${field}.${value}`;
  if (isText(known)) return t(known);
  if (typeof value === "object" && !Array.isArray(value)) return JSON.stringify(value);
  const text = Array.isArray(value) ? value.join(", ") || "–" : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function changesText(entry: Entry, names: Map<number, string>, t: Translate): string {
  return Object.entries(entry.changes as Record<string, [unknown, unknown]>)
    .filter(([field]) => field !== "session_id")
    .map(([field, [before, after]]) => {
      const label = FIELDS[field];
      return `${label ? t(label) : field}: ${valueText(field, before, names, t)} → ${valueText(field, after, names, t)}`;
    })
    .join(" · ");
}

export function ActivityPage() {
  const { t } = useText();
  const me = useMe();
  const [group, setGroup] = useState<Group>("all");
  const [text, setText] = useState("");
  const log = useInfiniteQuery({ ...logQuery(), enabled: me.role === "admin" });
  const people = useQuery({ ...peopleQuery({}), enabled: me.role === "admin" });
  const names = useMemo(() => new Map((people.data ?? []).map((one) => [one.id, one.full_name])), [people.data]);
  useDocumentTitle(`${t("activity.title")} · Taquilla`);
  if (me.role !== "admin") return <Navigate to="/" replace />;
  const wanted = text.trim().toLowerCase();
  const entries = (log.data?.pages.flat() ?? []).filter(
    (entry) =>
      GROUPS[group](entry.action) &&
      (!wanted || `${entry.actor.name} ${entry.action} ${actionText(entry.action, t)}`.toLowerCase().includes(wanted)),
  );
  return (
    <div className="page">
      <header className="page-bar">
        <h1>{t("activity.title")}</h1>
      </header>
      <div className="filters">
        <TextInput
          data-search
          className="filters-text"
          aria-label={t("activity.words")}
          placeholder={t("activity.words")}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Select
          aria-label={t("activity.filter")}
          allowDeselect={false}
          value={group}
          onChange={(value) => setGroup((value ?? "all") as Group)}
          data={(Object.keys(GROUPS) as Group[]).map((one) => ({ value: one, label: t(`activity.${one}`) }))}
        />
      </div>
      {log.isPending && <Bones rows={12} />}
      {log.isError && !log.data && <Failed error={log.error} retry={() => void log.refetch()} />}
      {log.data && entries.length === 0 && <Empty title={t("activity.empty")} />}
      {entries.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t("activity.when")}</th>
              <th scope="col">{t("activity.who")}</th>
              <th scope="col">{t("activity.what")}</th>
              <th scope="col">{t("activity.about")}</th>
              <th scope="col" className="wide">
                {t("activity.changes")}
              </th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <tr key={entry.seq}>
                <td className="table-time">
                  <Ago at={entry.at} />
                </td>
                <td>{entry.actor.name || t("activity.system")}</td>
                <td className="table-word">{actionText(entry.action, t)}</td>
                <td className="table-about">
                  {entry.ticket_id !== null ? (
                    <Link to="/tickets/$id" params={{ id: String(entry.ticket_id) }} className="link">
                      {t("ticket.crumb", { id: entry.ticket_id })}
                    </Link>
                  ) : entry.user_id !== null ? (
                    (names.get(entry.user_id) ?? `#${entry.user_id}`)
                  ) : (
                    ""
                  )}
                </td>
                <td className="wide table-changes">{changesText(entry, names, t)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {log.hasNextPage && (
        <Button variant="default" size="xs" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
          {t("activity.more")}
        </Button>
      )}
    </div>
  );
}
