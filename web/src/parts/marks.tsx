// Small signs that never stand for colour alone: status, priority, times, tags.

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
import type { ComponentType } from "react";
import type { Priority, Status, Ticket } from "../api/types";
import { useText } from "../i18n";
import { absolute, duration, relative, span } from "../lib/time";
import { useNow } from "../lib/use-now";

type Icon = ComponentType<{ size?: number; className?: string; stroke?: number }>;

const STATUS_ICONS: Record<Status, Icon> = {
  open: IconCircleFilled,
  in_progress: IconCircleHalf2,
  pending: IconClockPause,
  resolved: IconCircleCheck,
  closed: IconCircleX,
};

const PRIORITY_ICONS: Record<Priority, Icon> = {
  critical: IconChevronsUp,
  high: IconChevronUp,
  medium: IconEqual,
  low: IconChevronDown,
};

export function StatusIcon({ status }: { status: Status }) {
  const Shape = STATUS_ICONS[status] ?? IconCircle;
  return <Shape size={status === "open" ? 12 : 15} className={`mark mark-${status}`} stroke={2} aria-hidden />;
}

export function StatusMark({ status }: { status: Status }) {
  const { t } = useText();
  return (
    <span className="marked">
      <span className="mark-box">
        <StatusIcon status={status} />
      </span>
      {t(`status.${status}`)}
    </span>
  );
}

export function PriorityIcon({ priority, label }: { priority: Priority; label?: boolean }) {
  const { t } = useText();
  const Shape = PRIORITY_ICONS[priority] ?? IconEqual;
  const name = t(`priority.${priority}`);
  return (
    <span
      className={`mark-box priority-${priority}`}
      {...(label ? { role: "img", "aria-label": `${t("field.priority")}: ${name}`, title: name } : {})}
    >
      <Shape size={16} stroke={2.2} aria-hidden />
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

/** How long ago, with the time itself on hover: written then, since it takes longer than all the rest of a row. */
export function Ago({ at, short }: { at: string; short?: boolean }) {
  const { t, locale } = useText();
  const now = useNow();
  return (
    <time
      dateTime={at}
      onPointerEnter={(event) => {
        event.currentTarget.title = absolute(at, locale);
      }}
    >
      {short ? span(Date.parse(at) - now, t) : relative(at, locale, now)}
    </time>
  );
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
export function DueChip({ ticket }: { ticket: Ticket }) {
  const { t } = useText();
  const now = useNow();
  const due = nextDue(ticket);
  if (!due) return null;
  const left = Date.parse(due.at) - now;
  const late = due.breached || left < 0;
  const time = span(left, t);
  const what = `${t(`sla.${due.kind}`)}: ${t(late ? "sla.late" : "sla.due_in", { span: duration(left) })}`;
  return (
    <span className={`due ${late ? "due-late" : left < 3_600_000 ? "due-soon" : ""}`} title={what}>
      {late && <IconAlertTriangle size={13} aria-hidden />}
      <span className="visually-hidden">{what}</span>
      <span aria-hidden>{late ? t("sla.short_late", { span: time }) : time}</span>
    </span>
  );
}

export function Tag({ tag }: { tag: string }) {
  return <span className="tag">{tag}</span>;
}
