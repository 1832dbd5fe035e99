// Small signs that never stand for colour alone: status, priority, times, tags. Rows of long lists call the functions: there
// language and clock are asked for once, and not by every sign of every row.

import type { ReactElement } from "react";
import type { Priority, Status, Ticket } from "../api/types";
import { type InLanguage, type Translate, useText } from "../i18n";
import { absolute, duration, relative, span } from "../lib/time";
import { useNow } from "../lib/use-now";

/** A sign of one shape: a long list has three in each row, and each element of a row is paid for while one scrolls. */
function sign(shape: string, look = "") {
  return (
    <svg className={`sign ${look}`} viewBox="0 0 24 24" aria-hidden>
      <path d={shape} />
    </svg>
  );
}

const RING = "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18";

// The same element each time, so that a row which gets another ticket with the same status is left as it is.
const STATUS_ICONS: Record<Status, ReactElement> = {
  open: sign("M12 4a8 8 0 1 0 0 16a8 8 0 1 0 0-16", "solid mark-open"),
  in_progress: sign("M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20zM12 4.5v15a7.5 7.5 0 0 1 0-15z", "solid mark-in_progress"),
  pending: sign(`${RING}M10 9v6M14 9v6`, "mark-pending"),
  resolved: sign(`${RING}M8.5 12.5l2.5 2.5l4.5-5`, "mark-resolved"),
  closed: sign(`${RING}M9.5 9.5l5 5M14.5 9.5l-5 5`, "mark-closed"),
};
const OTHER_STATUS = sign(RING);

const PRIORITY_ICONS: Record<Priority, ReactElement> = {
  critical: sign("M6 12l6-6l6 6M6 18l6-6l6 6", "priority-critical"),
  high: sign("M6 15l6-6l6 6", "priority-high"),
  medium: sign("M5 9.5h14M5 14.5h14", "priority-medium"),
  low: sign("M6 9l6 6l6-6", "priority-low"),
};

const WARNING = sign("M12 4l-9.5 16h19zM12 10v4M12 17v.01");

export function StatusIcon({ status }: { status: Status }) {
  return STATUS_ICONS[status] ?? OTHER_STATUS;
}

/** The sign and the word of a status, for inside something that is `marked`. */
export function statusWords(status: Status, t: Translate) {
  return (
    <>
      {StatusIcon({ status })}
      {t(`status.${status}`)}
    </>
  );
}

export function StatusMark({ status }: { status: Status }) {
  return <span className="marked">{statusWords(status, useText().t)}</span>;
}

export function PriorityIcon({ priority }: { priority: Priority }) {
  return PRIORITY_ICONS[priority] ?? PRIORITY_ICONS.medium;
}

/** The sign of a priority with its name, for where no text stands beside it. */
export function namedPriority(priority: Priority, t: Translate) {
  const name = t(`priority.${priority}`);
  return (
    <span className="sign" role="img" aria-label={`${t("field.priority")}: ${name}`} title={name}>
      {PriorityIcon({ priority })}
    </span>
  );
}

export function PriorityMark({ priority }: { priority: Priority }) {
  const { t } = useText();
  return (
    <span className="marked">
      <PriorityIcon priority={priority} />
      {t(`priority.${priority}`)}
    </span>
  );
}

/** A time in other words, with the time itself on hover: written then, since it takes longer than all the rest of a row. */
function time(at: string, locale: string, words: string, cell?: { role: "cell"; className: string }) {
  return (
    <time
      {...cell}
      dateTime={at}
      onPointerEnter={(event) => {
        event.currentTarget.title = absolute(at, locale);
      }}
    >
      {words}
    </time>
  );
}

/** How long ago. */
export function Ago({ at }: { at: string }) {
  const { locale } = useText();
  return time(at, locale, relative(at, locale, useNow()));
}

/** A cell of a table that tells how long ago, in its largest unit. */
export function agoCell(className: string, at: string, now: number, { t, locale }: InLanguage) {
  return time(at, locale, span(Date.parse(at) - now, t), { role: "cell", className });
}

/** Which clock of a ticket runs out next, while it is active. */
export function nextDue(ticket: Ticket): { kind: "first_response" | "resolution"; at: string; breached: boolean } | undefined {
  const clocks = [
    {
      kind: "first_response" as const,
      at: ticket.first_response_due_at,
      verdict: ticket.sla.first_response,
      done: ticket.first_response_at,
    },
    { kind: "resolution" as const, at: ticket.resolution_due_at, verdict: ticket.sla.resolution, done: ticket.resolved_at },
  ];
  if (ticket.status === "resolved" || ticket.status === "closed") return undefined;
  const running = clocks.filter(
    (clock) => clock.at && !clock.done && (clock.verdict === "running" || clock.verdict === "breached"),
  );
  const first = running.sort((a, b) => Date.parse(a.at as string) - Date.parse(b.at as string))[0];
  return first?.at ? { kind: first.kind, at: first.at, breached: first.verdict === "breached" } : undefined;
}

/** The chip of a list: how long until the next target is missed, or that it has been. */
export function dueChip(ticket: Ticket, now: number, t: Translate) {
  const due = nextDue(ticket);
  if (!due) return null;
  const left = Date.parse(due.at) - now;
  const late = due.breached || left < 0;
  const rest = span(left, t);
  const what = `${t(`sla.${due.kind}`)}: ${t(late ? "sla.late" : "sla.due_in", { span: duration(left) })}`;
  return (
    <span className={`due ${late ? "due-late" : left < 3_600_000 ? "due-soon" : ""}`} role="img" aria-label={what} title={what}>
      {late && WARNING}
      {late ? t("sla.short_late", { span: rest }) : rest}
    </span>
  );
}

export function DueChip({ ticket }: { ticket: Ticket }) {
  return dueChip(ticket, useNow(), useText().t);
}

export function Tag({ tag }: { tag: string }) {
  return <span className="tag">{tag}</span>;
}
