// Small signs that never stand for colour alone: status, priority, times, tags. Rows of long lists call the functions: there
// language and clock are asked for once, and not by every sign of every row.

import {
  IconAlertTriangle,
  IconChevronDown,
  IconChevronsUp,
  IconChevronUp,
  IconCircle,
  IconCircleCheck,
  IconCircleFilled,
  IconCircleHalf2,
  IconCircleX,
  IconClockPause,
  IconEqual,
} from "@tabler/icons-react";
import type { ReactElement } from "react";
import type { Priority, Status, Ticket } from "../api/types";
import { type InLanguage, type Translate, useText } from "../i18n";
import { absolute, duration, relative, span } from "../lib/time";
import { useNow } from "../lib/use-now";

// The same element each time, so that a row which gets another ticket with the same status is left as it is.
const STATUS_ICONS: Record<Status, ReactElement> = {
  open: <IconCircleFilled size={12} className="mark mark-open" stroke={2} aria-hidden />,
  in_progress: <IconCircleHalf2 size={15} className="mark mark-in_progress" stroke={2} aria-hidden />,
  pending: <IconClockPause size={15} className="mark mark-pending" stroke={2} aria-hidden />,
  resolved: <IconCircleCheck size={15} className="mark mark-resolved" stroke={2} aria-hidden />,
  closed: <IconCircleX size={15} className="mark mark-closed" stroke={2} aria-hidden />,
};
const OTHER_STATUS = <IconCircle size={15} className="mark" stroke={2} aria-hidden />;

const PRIORITY_ICONS: Record<Priority, ReactElement> = {
  critical: <IconChevronsUp size={16} stroke={2.2} aria-hidden />,
  high: <IconChevronUp size={16} stroke={2.2} aria-hidden />,
  medium: <IconEqual size={16} stroke={2.2} aria-hidden />,
  low: <IconChevronDown size={16} stroke={2.2} aria-hidden />,
};

export function StatusIcon({ status }: { status: Status }) {
  return STATUS_ICONS[status] ?? OTHER_STATUS;
}

export function statusMark(status: Status, t: Translate) {
  return (
    <span className="marked">
      <span className="mark-box">{STATUS_ICONS[status] ?? OTHER_STATUS}</span>
      {t(`status.${status}`)}
    </span>
  );
}

export function StatusMark({ status }: { status: Status }) {
  return statusMark(status, useText().t);
}

/** The sign of a priority with its name, for where no text stands beside it. */
export function namedPriority(priority: Priority, t: Translate) {
  const name = t(`priority.${priority}`);
  return (
    <span className={`mark-box priority-${priority}`} role="img" aria-label={`${t("field.priority")}: ${name}`} title={name}>
      {PRIORITY_ICONS[priority] ?? PRIORITY_ICONS.medium}
    </span>
  );
}

export function PriorityIcon({ priority }: { priority: Priority }) {
  return <span className={`mark-box priority-${priority}`}>{PRIORITY_ICONS[priority] ?? PRIORITY_ICONS.medium}</span>;
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
function time(at: string, locale: string, words: string) {
  return (
    <time
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

/** How long ago, in its largest unit. */
export function shortAgo(at: string, now: number, { t, locale }: InLanguage) {
  return time(at, locale, span(Date.parse(at) - now, t));
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
    <span className={`due ${late ? "due-late" : left < 3_600_000 ? "due-soon" : ""}`} title={what}>
      {late && <IconAlertTriangle size={13} aria-hidden />}
      <span className="visually-hidden">{what}</span>
      <span aria-hidden>{late ? t("sla.short_late", { span: rest }) : rest}</span>
    </span>
  );
}

export function DueChip({ ticket }: { ticket: Ticket }) {
  return dueChip(ticket, useNow(), useText().t);
}

export function Tag({ tag }: { tag: string }) {
  return <span className="tag">{tag}</span>;
}
