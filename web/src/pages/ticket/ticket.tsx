// One ticket: its words, what was said about it, and what can be done with it.

import { ActionIcon, Alert, Button, Drawer, Textarea, TextInput } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { IconArrowLeft, IconChevronLeft, IconChevronRight, IconInfoCircle, IconPencil } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useRouter } from "@tanstack/react-router";
import { type FormEvent, useEffect, useMemo, useState } from "react";
import { ApiError } from "../../api/client";
import { commentsQuery, fetchAhead, staffQuery, ticketActivityQuery, ticketQuery } from "../../api/queries";
import { changeShown, isStale, stale } from "../../api/tickets";
import type { Ticket, TicketChange, User } from "../../api/types";
import { useText } from "../../i18n";
import { announce } from "../../lib/announce";
import { composeAs } from "../../lib/compose";
import { useKeys } from "../../lib/keys";
import { lastList } from "../../lib/last-list";
import { onEvent } from "../../lib/live";
import { failed } from "../../lib/notify";
import { useMedia } from "../../lib/use-media";
import { useMe } from "../../lib/use-session";
import { Ago } from "../../parts/marks";
import { pickAssignee, pickPriority, pickStatus } from "../../parts/picks";
import { Prose } from "../../parts/prose";
import { Bones, Failed, Missing } from "../../parts/states";
import { home } from "../../router";
import { Composer } from "./composer";
import { type Conflict, ConflictNotice, whoChanged } from "./conflict";
import { SidePanel } from "./side-panel";
import { Timeline } from "./timeline";

export function TicketPage() {
  const { id } = useParams({ from: "/app/tickets/$id" });
  return <One key={id} id={Number(id)} />;
}

function One({ id }: { id: number }) {
  const { t } = useText();
  const ticket = useQuery(ticketQuery(id));
  useDocumentTitle(ticket.data ? `${ticket.data.id} ${ticket.data.title} · Taquilla` : "Taquilla");
  if (ticket.isError) {
    const gone = ticket.error instanceof ApiError && ticket.error.status === 404;
    if (gone) return <Missing />;
    if (!ticket.data) return <Failed error={ticket.error} retry={() => void ticket.refetch()} />;
  }
  if (!ticket.data) {
    return (
      <div className="page">
        <h1 className="visually-hidden">{t("ticket.crumb", { id })}</h1>
        <Bones rows={6} />
      </div>
    );
  }
  return <Shown ticket={ticket.data} />;
}

/** What may be done with a ticket; the desk judges for itself. */
export interface Rights {
  staff: boolean;
  finish: boolean;
  edit: boolean;
}

const NOBODY: User[] = [];

function rightsOf(ticket: Ticket, me: User): Rights {
  const staff = me.role !== "user";
  const own = ticket.creator_id === me.id;
  return {
    staff,
    finish: me.role === "admin" || (me.role === "agent" && ticket.assigned_agent_id === me.id),
    edit: ticket.status !== "closed" && (staff || own),
  };
}

function Shown({ ticket }: { ticket: Ticket }) {
  const { t } = useText();
  const me = useMe();
  const navigate = useNavigate();
  const router = useRouter();
  const narrow = useMedia("(max-width: 900px)");
  const [sheet, setSheet] = useState(false);
  const [editing, setEditing] = useState(false);
  const [conflict, setConflict] = useState<Conflict>();
  const comments = useQuery(commentsQuery(ticket.id));
  const activity = useQuery(ticketActivityQuery(ticket.id));
  const rights = rightsOf(ticket, me);
  const staff = useQuery({ ...staffQuery(), enabled: rights.staff });
  const people = staff.data ?? NOBODY;
  const names = useMemo(() => new Map(people.map((one) => [one.id, one.full_name])), [people]);

  const mentionable = useMemo(() => {
    const here = [ticket.creator_name, ticket.assigned_agent_name, ...(comments.data ?? []).map((one) => one.author_name)];
    const all = [...here, ...people.map((one) => one.full_name)].filter((name): name is string => name !== null);
    return [...new Set(all)];
  }, [ticket.creator_name, ticket.assigned_agent_name, comments.data, people]);

  /** Changes the ticket as it is shown; when somebody was quicker, says so and changes nothing. */
  const change = async (fields: TicketChange, version: number | undefined = ticket.version): Promise<boolean> => {
    try {
      await changeShown(ticket.id, fields, version, names);
      return true;
    } catch (error) {
      if (isStale(error)) {
        stale(ticket.id);
        setConflict({ who: await whoChanged(ticket.id, me.id), fields });
      } else {
        failed(error);
      }
      return false;
    }
  };

  useEffect(
    () =>
      onEvent((event) => {
        if (event.ticket_id === ticket.id && event.actor.id !== me.id) announce(t("ticket.live", { name: event.actor.name }));
      }),
    [ticket.id, me.id, t],
  );

  const list = lastList.get();
  const at = list ? list.ids.indexOf(ticket.id) : -1;
  const go = (id: number | undefined) => {
    if (id !== undefined) void navigate({ to: "/tickets/$id", params: { id: String(id) } });
  };
  const back = () => void (list ? router.history.push(list.href) : navigate({ to: home() }));
  const previous = at > 0 ? list?.ids[at - 1] : undefined;
  const next = at >= 0 ? list?.ids[at + 1] : undefined;
  useEffect(() => {
    if (next !== undefined) fetchAhead(next);
  }, [next]);
  const assign = () => pickAssignee(people, me, (id) => void change({ assigned_agent_id: id }));
  const status = () => pickStatus((status) => void change({ status }));
  const priority = () => pickPriority((priority) => void change({ priority }));

  useKeys({
    j: () => go(next),
    k: () => go(previous),
    Escape: back,
    r: () => composeAs("reply"),
    ...(rights.staff ? { n: () => composeAs("note"), a: assign, s: status, p: priority } : {}),
  });

  const panel = (
    <SidePanel
      ticket={ticket}
      people={people}
      rights={rights}
      activity={activity.data ?? []}
      onChange={(fields) => void change(fields)}
      onGone={back}
    />
  );
  const opened = t(ticket.opened_by_id === ticket.creator_id ? "ticket.opened_by" : "ticket.on_behalf", {
    name: ticket.opened_by_id === ticket.creator_id ? ticket.creator_name : (names.get(ticket.opened_by_id) ?? t("role.agent")),
    requester: ticket.creator_name,
    when: "",
  });

  return (
    <div className="ticket">
      <div className="ticket-main">
        <header className="ticket-bar">
          <ActionIcon variant="subtle" color="gray" size={34} aria-label={t("ticket.back")} onClick={back}>
            <IconArrowLeft size={17} aria-hidden />
          </ActionIcon>
          <span className="ticket-number">{ticket.id}</span>
          {list && (
            <>
              <ActionIcon
                variant="subtle"
                color="gray"
                size={34}
                aria-label={t("ticket.previous")}
                disabled={previous === undefined}
                onClick={() => go(previous)}
              >
                <IconChevronLeft size={17} aria-hidden />
              </ActionIcon>
              <ActionIcon
                variant="subtle"
                color="gray"
                size={34}
                aria-label={t("ticket.next")}
                disabled={next === undefined}
                onClick={() => go(next)}
              >
                <IconChevronRight size={17} aria-hidden />
              </ActionIcon>
            </>
          )}
          <span className="ticket-bar-end">
            {rights.edit && !editing && (
              <ActionIcon variant="subtle" color="gray" size={34} aria-label={t("ticket.edit")} onClick={() => setEditing(true)}>
                <IconPencil size={17} aria-hidden />
              </ActionIcon>
            )}
            {narrow && (
              <Button
                variant="default"
                size="xs"
                leftSection={<IconInfoCircle size={15} aria-hidden />}
                onClick={() => setSheet(true)}
              >
                {t("ticket.details")}
              </Button>
            )}
          </span>
        </header>
        <div className="ticket-scroll">
          <ConflictNotice
            conflict={conflict}
            onMine={(fields) => void change(fields, undefined)}
            onClose={() => setConflict(undefined)}
          />
          {editing ? (
            <Editor
              ticket={ticket}
              onSave={async (fields, version) => {
                if (await change(fields, version)) setEditing(false);
              }}
              onCancel={() => setEditing(false)}
            />
          ) : (
            <article className="ticket-head">
              <h1>{ticket.title}</h1>
              <p className="dim">
                {opened} <Ago at={ticket.created_at} />
              </p>
              <Prose html={ticket.description_html ?? ""} names={mentionable} />
            </article>
          )}
          <Timeline
            ticket={ticket}
            comments={comments}
            activity={activity.data ?? []}
            names={names}
            mentionable={mentionable}
            rights={rights}
          />
        </div>
        {ticket.status === "closed" && !rights.staff ? (
          <Alert color="gray" className="ticket-closed">
            {t("ticket.closed_hint")}
          </Alert>
        ) : (
          <Composer
            ticket={ticket}
            rights={rights}
            names={mentionable}
            onResolve={() => change({ status: "resolved" }, undefined)}
          />
        )}
      </div>
      {narrow ? (
        <Drawer
          opened={sheet}
          onClose={() => setSheet(false)}
          position="bottom"
          size="auto"
          title={t("ticket.details")}
          transitionProps={{ duration: 100 }}
          closeButtonProps={{ "aria-label": t("settings.done"), size: 44 }}
        >
          {panel}
        </Drawer>
      ) : (
        <aside className="panel" aria-label={t("ticket.details")}>
          {panel}
        </aside>
      )}
    </div>
  );
}

/** Title and description, to be written anew. */
function Editor(props: {
  ticket: Ticket;
  onSave: (fields: TicketChange, version: number) => Promise<void>;
  onCancel: () => void;
}) {
  const { t } = useText();
  // What one began with: a change by somebody else meanwhile is a conflict, not an overwrite.
  const [begun] = useState(props.ticket);
  const [title, setTitle] = useState(begun.title);
  const [description, setDescription] = useState(begun.description);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const fields: TicketChange = {};
    if (title.trim() !== begun.title) fields.title = title.trim();
    if (description !== begun.description) fields.description = description;
    if (Object.keys(fields).length === 0) return props.onCancel();
    setBusy(true);
    await props.onSave(fields, begun.version);
    setBusy(false);
  };
  return (
    <form className="stack ticket-head" onSubmit={submit}>
      <TextInput
        label={t("field.title")}
        value={title}
        maxLength={200}
        required
        data-autofocus
        onChange={(event) => setTitle(event.currentTarget.value)}
      />
      <Textarea
        label={t("field.description")}
        value={description}
        required
        className="grows"
        rows={5}
        onChange={(event) => setDescription(event.currentTarget.value)}
      />
      <div className="actions">
        <Button type="submit" size="xs" loading={busy}>
          {t("ticket.save")}
        </Button>
        <Button variant="default" size="xs" onClick={props.onCancel}>
          {t("ticket.cancel")}
        </Button>
      </div>
    </form>
  );
}
