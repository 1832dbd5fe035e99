import { Button, Select, TagsInput } from "@mantine/core";
import type { ReactNode } from "react";
import { api, body } from "../../api/client";
import { queryClient, setDeleting } from "../../api/queries";
import { restoreAll, stale } from "../../api/tickets";
import { type Entry, PRIORITIES, STATUSES, type Ticket, type TicketChange, type User } from "../../api/types";
import { isText, useText } from "../../i18n";
import { failed, told, toldUndoable } from "../../lib/notify";
import { duration } from "../../lib/time";
import { useNow } from "../../lib/use-now";
import { useMe } from "../../lib/use-session";
import { confirm } from "../../parts/confirm";
import { Ago, PriorityIcon, PriorityMark, StatusIcon, StatusMark, Tag } from "../../parts/marks";
import type { Rights } from "./ticket";

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** How one of the two clocks stands. */
function Clock({ ticket, kind }: { ticket: Ticket; kind: "first_response" | "resolution" }) {
  const { t } = useText();
  const now = useNow();
  const verdict = ticket.sla[kind];
  const due = kind === "first_response" ? ticket.first_response_due_at : ticket.resolution_due_at;
  const done = kind === "first_response" ? ticket.first_response_at : ticket.first_resolved_at;
  if (verdict === "none" || !due) return <span className="dim">{t("sla.none")}</span>;
  const took = done ? duration(Date.parse(done) - Date.parse(ticket.created_at)) : undefined;
  if (verdict === "met") {
    return (
      <span className="good">
        {took ? `${took} · ` : ""}
        {t("sla.met")} ✓
      </span>
    );
  }
  const left = Date.parse(due) - now;
  if (verdict === "breached" || left < 0) {
    const by = Date.parse(done ?? new Date(now).toISOString()) - Date.parse(due);
    return <span className="bad">⚠ {by > 0 ? t("sla.late", { span: duration(by) }) : t("sla.breached")}</span>;
  }
  return <span>{t("sla.due_in", { span: duration(left) })}</span>;
}

export function SidePanel(props: {
  ticket: Ticket;
  people: User[];
  rights: Rights;
  activity: Entry[];
  onChange: (fields: TicketChange) => void;
  onGone: () => void;
}) {
  const { t, locale } = useText();
  const me = useMe();
  const { ticket, people, rights, onChange } = props;
  const channel = `channel.${ticket.channel}`;

  const remove = async (ask: string, yes: string, done: string) => {
    if (!(await confirm(ask, yes))) return;
    setDeleting(ticket.id, true);
    try {
      await body(api.DELETE("/api/v1/tickets/{id}", { params: { path: { id: ticket.id } } }));
      if (me.role === "admin") toldUndoable(done, () => void restoreAll([ticket.id]).then((refused) => refused.map(failed)));
      else told(done);
      void queryClient.invalidateQueries({ queryKey: ["ticket", ticket.id], refetchType: "none" });
      void queryClient.resetQueries({ queryKey: ["tickets"] });
      props.onGone();
    } catch (error) {
      setDeleting(ticket.id, false);
      failed(error);
      stale(ticket.id);
    }
  };

  const active = ticket.status !== "resolved" && ticket.status !== "closed";
  const own = ticket.creator_id === me.id;
  return (
    <div className="facts">
      {rights.staff ? (
        <div className="stack">
          <Select
            label={t("field.status")}
            size="xs"
            allowDeselect={false}
            value={ticket.status}
            leftSection={<StatusIcon status={ticket.status} />}
            onChange={(status) => status && status !== ticket.status && onChange({ status: status as Ticket["status"] })}
            data={STATUSES.map((status) => ({ value: status, label: t(`status.${status}`) }))}
          />
          <div>
            <Select
              label={t("field.assignee")}
              size="xs"
              searchable
              allowDeselect={false}
              value={String(ticket.assigned_agent_id ?? "none")}
              onChange={(id) => id && onChange({ assigned_agent_id: id === "none" ? null : Number(id) })}
              data={[
                { value: "none", label: t("field.nobody") },
                ...people.map((one) => ({ value: String(one.id), label: one.full_name })),
                ...(ticket.assigned_agent_id !== null && !people.some((one) => one.id === ticket.assigned_agent_id)
                  ? [{ value: String(ticket.assigned_agent_id), label: ticket.assigned_agent_name ?? "…" }]
                  : []),
              ]}
            />
            {ticket.assigned_agent_id !== me.id && (
              <Button size="compact-xs" variant="subtle" onClick={() => onChange({ assigned_agent_id: me.id })}>
                {t("ticket.take")}
              </Button>
            )}
          </div>
          <Select
            label={t("field.priority")}
            size="xs"
            allowDeselect={false}
            value={ticket.priority}
            leftSection={<PriorityIcon priority={ticket.priority} />}
            onChange={(priority) =>
              priority && priority !== ticket.priority && onChange({ priority: priority as Ticket["priority"] })
            }
            data={PRIORITIES.map((priority) => ({ value: priority, label: t(`priority.${priority}`) }))}
          />
          <TagsInput
            label={t("field.tags")}
            size="xs"
            value={ticket.tags}
            maxTags={20}
            placeholder={ticket.tags.length === 0 ? t("ticket.tag_add") : ""}
            onChange={(tags) => onChange({ tags: tags.map((tag) => tag.trim().toLowerCase()).filter(Boolean) })}
          />
        </div>
      ) : (
        <dl className="fact-list">
          <Fact label={t("field.status")}>
            <StatusMark status={ticket.status} />
          </Fact>
          <Fact label={t("field.assignee")}>{ticket.assigned_agent_name ?? <span className="dim">–</span>}</Fact>
          <Fact label={t("field.priority")}>
            <PriorityMark priority={ticket.priority} />
          </Fact>
          {ticket.tags.length > 0 && (
            <Fact label={t("field.tags")}>
              {ticket.tags.map((tag) => (
                <Tag key={tag} tag={tag} />
              ))}
            </Fact>
          )}
        </dl>
      )}
      <dl className="fact-list">
        {rights.staff && <Fact label={t("field.requester")}>{ticket.creator_name}</Fact>}
        <Fact label={t("sla.first_response")}>
          <Clock ticket={ticket} kind="first_response" />
        </Fact>
        <Fact label={t("sla.resolution")}>
          <Clock ticket={ticket} kind="resolution" />
        </Fact>
        <Fact label={t("field.created")}>
          <Ago at={ticket.created_at} />
        </Fact>
        <Fact label={t("field.updated")}>
          <Ago at={ticket.updated_at} />
        </Fact>
        {ticket.resolved_at && (
          <Fact label={t("field.resolved")}>
            <Ago at={ticket.resolved_at} />
          </Fact>
        )}
        {ticket.closed_at && (
          <Fact label={t("field.closed")}>
            <Ago at={ticket.closed_at} />
          </Fact>
        )}
        {ticket.reopen_count > 0 && (
          <Fact label={t("field.reopened")}>{new Intl.NumberFormat(locale).format(ticket.reopen_count)} ×</Fact>
        )}
        {rights.staff && <Fact label={t("field.channel")}>{isText(channel) ? t(channel) : ticket.channel}</Fact>}
      </dl>
      <div className="actions">
        {own && !rights.staff && active && (
          <Button size="xs" variant="default" onClick={() => onChange({ status: "closed" })}>
            {t("ticket.close")}
          </Button>
        )}
        {(own || rights.staff) && !active && (
          <Button size="xs" variant="default" onClick={() => onChange({ status: "open" })}>
            {t("ticket.reopen")}
          </Button>
        )}
        {own && me.role !== "admin" && ticket.status === "open" && ticket.assigned_agent_id === null && (
          <Button
            size="xs"
            variant="default"
            color="red"
            onClick={() => void remove(t("ticket.withdraw_ask"), t("ticket.withdraw"), t("ticket.withdrawn"))}
          >
            {t("ticket.withdraw")}
          </Button>
        )}
        {me.role === "admin" && (
          <Button
            size="xs"
            variant="default"
            onClick={() => void remove(t("ticket.delete_ask"), t("ticket.delete"), t("ticket.deleted"))}
          >
            {t("ticket.delete")}
          </Button>
        )}
      </div>
    </div>
  );
}
