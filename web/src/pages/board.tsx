// Columns by status; cards are moved by dragging or by key.

import { draggable, dropTargetForElements, monitorForElements } from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { queryOptions, useQueries, useQuery } from "@tanstack/react-query";
import { Link, Navigate } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { queryClient, staffQuery, type TicketPage, ticketPage } from "../api/queries";
import { change, preview, stale } from "../api/tickets";
import { STATUSES, type Status, type Ticket, type TicketChange, type User } from "../api/types";
import { useText } from "../i18n";
import { announce } from "../lib/announce";
import { useKeys } from "../lib/keys";
import { lastList } from "../lib/last-list";
import { failed } from "../lib/notify";
import { useMe } from "../lib/use-session";
import { DueChip, namedPriority, StatusMark } from "../parts/marks";
import { pickAssignee, pickPriority, pickStatus } from "../parts/picks";
import { Bones, Failed } from "../parts/states";

const COLUMN = 50;
const NOBODY: User[] = [];

const columnQuery = (status: Status) =>
  queryOptions({
    queryKey: ["board", status] as const,
    queryFn: () => ticketPage({ status, sort: "-updated_at" }, undefined, COLUMN),
  });

export function BoardPage() {
  const { t } = useText();
  const me = useMe();
  useDocumentTitle(`${t("board.title")} · Taquilla`);
  if (me.role === "user") return <Navigate to="/tickets" replace />;
  return <Board />;
}

/** Shows a ticket in another column, before the desk has answered. */
function shift(ticket: Ticket, status: Status): void {
  queryClient.setQueryData<TicketPage>(["board", ticket.status], (page) => {
    return page && { ...page, rows: page.rows.filter((row) => row.id !== ticket.id), total: (page.total ?? 1) - 1 };
  });
  queryClient.setQueryData<TicketPage>(["board", status], (page) => {
    return page && { ...page, rows: [{ ...ticket, status }, ...page.rows], total: (page.total ?? 0) + 1 };
  });
}

/** Shows a ticket as it will be, where it stands. */
function repaint(ticket: Ticket): void {
  queryClient.setQueryData<TicketPage>(["board", ticket.status], (page) => {
    return page && { ...page, rows: page.rows.map((row) => (row.id === ticket.id ? ticket : row)) };
  });
}

function Board() {
  const { t } = useText();
  const me = useMe();
  const people = useQuery(staffQuery()).data ?? NOBODY;
  const names = useMemo(() => new Map(people.map((one) => [one.id, one.full_name])), [people]);
  const columns = useQueries({ queries: STATUSES.map(columnQuery) });

  const move = async (ticket: Ticket, status: Status) => {
    if (ticket.status === status) return;
    await queryClient.cancelQueries({ queryKey: ["board"] });
    shift(ticket, status);
    announce(t("board.moved", { id: ticket.id, status: t(`status.${status}`) }));
    try {
      repaint(await change(ticket.id, { status }, ticket.version));
    } catch (error) {
      shift({ ...ticket, status }, ticket.status);
      failed(error);
    }
    stale(ticket.id);
  };

  const edit = async (ticket: Ticket, fields: TicketChange) => {
    await queryClient.cancelQueries({ queryKey: ["board"] });
    repaint({ ...ticket, ...preview(fields, names) });
    try {
      repaint(await change(ticket.id, fields, undefined));
    } catch (error) {
      repaint(ticket);
      failed(error);
    }
    stale(ticket.id);
  };

  const keyed = (ticket: Ticket, key: string): boolean => {
    if (key === "a") pickAssignee(people, me, (id) => void edit(ticket, { assigned_agent_id: id }));
    else if (key === "p") pickPriority((priority) => void edit(ticket, { priority }));
    else return false;
    return true;
  };

  const latest = useRef(move);
  latest.current = move;
  useEffect(
    () =>
      monitorForElements({
        onDrop: ({ source, location }) => {
          const status = location.current.dropTargets[0]?.data.status as Status | undefined;
          const ticket = source.data.ticket as Ticket | undefined;
          if (status && ticket) void latest.current(ticket, status);
        },
      }),
    [],
  );

  useKeys({
    j: () => step(0, 1),
    k: () => step(0, -1),
    ArrowDown: () => step(0, 1),
    ArrowUp: () => step(0, -1),
    ArrowRight: () => step(1, 0),
    ArrowLeft: () => step(-1, 0),
  });

  return (
    <div className="board-page">
      <header className="bar">
        <h1 className="crumb">{t("board.title")}</h1>
        <span className="dim board-help">{t("board.help")}</span>
      </header>
      <div className="board">
        {STATUSES.map((status, n) => {
          const column = columns[n];
          return (
            <Column key={status} status={status} total={column?.data?.total} capped={column?.data?.capped}>
              {column?.isError && !column.data && <Failed error={column.error} retry={() => void column.refetch()} />}
              {column?.isPending && <Bones rows={4} />}
              {column?.data?.rows.length === 0 && <p className="dim board-empty">{t("board.empty")}</p>}
              <ul className="cards">
                {column?.data?.rows.map((ticket) => (
                  <Card
                    key={ticket.id}
                    ticket={ticket}
                    siblings={column.data.rows}
                    onMove={(to) => void move(ticket, to)}
                    onKey={(key) => keyed(ticket, key)}
                  />
                ))}
              </ul>
              {(column?.data?.total ?? 0) > COLUMN && (
                <Link to="/inbox" search={{ q: `status:${status}` }} className="board-more">
                  {t("board.more", { count: (column?.data?.total ?? 0) - COLUMN })}
                </Link>
              )}
            </Column>
          );
        })}
      </div>
    </div>
  );
}

/** Goes from the card that has the focus to another one: so many columns aside, so many cards down. */
function step(aside: number, down: number): void {
  const columns = [...document.querySelectorAll(".column")]
    .map((column) => [...column.querySelectorAll<HTMLElement>(".card-title")])
    .filter((cards) => cards.length > 0);
  const x = columns.findIndex((cards) => cards.some((card) => card === document.activeElement));
  const y = columns[x]?.indexOf(document.activeElement as HTMLElement) ?? 0;
  const column = columns[Math.max(0, Math.min(columns.length - 1, x + aside))];
  column?.[x < 0 ? 0 : Math.max(0, Math.min(column.length - 1, y + down))]?.focus();
}

function Column(props: { status: Status; total: number | undefined; capped: boolean | undefined; children: React.ReactNode }) {
  const box = useRef<HTMLElement>(null);
  const [over, setOver] = useState(false);
  const { status } = props;
  useEffect(() => {
    if (!box.current) return;
    return dropTargetForElements({
      element: box.current,
      getData: () => ({ status }),
      onDragEnter: () => setOver(true),
      onDragLeave: () => setOver(false),
      onDrop: () => setOver(false),
    });
  }, [status]);
  return (
    <section ref={box} className={`column ${over ? "column-over" : ""}`} aria-labelledby={`column-${status}`}>
      <h2 className="column-title" id={`column-${status}`}>
        <StatusMark status={status} />
        <span className="dim">
          {props.total}
          {props.capped && "+"}
        </span>
      </h2>
      <div className="column-scroll">{props.children}</div>
    </section>
  );
}

interface CardProps {
  ticket: Ticket;
  siblings: Ticket[];
  onMove: (status: Status) => void;
  /** One of the keys of tickets; answers whether it means something here. */
  onKey: (key: string) => boolean;
}

function Card({ ticket, siblings, onMove, onKey }: CardProps) {
  const { t } = useText();
  const box = useRef<HTMLLIElement>(null);
  const [dragged, setDragged] = useState(false);
  useEffect(() => {
    if (!box.current) return;
    return draggable({
      element: box.current,
      getInitialData: () => ({ ticket }),
      onDragStart: () => setDragged(true),
      onDrop: () => setDragged(false),
    });
  }, [ticket]);
  const moveTo = () =>
    pickStatus(
      onMove,
      STATUSES.filter((status) => status !== ticket.status),
    );
  return (
    <li ref={box} className={`card ${dragged ? "card-dragged" : ""}`}>
      <Link
        to="/tickets/$id"
        params={{ id: String(ticket.id) }}
        className="card-title"
        draggable={false}
        onClick={() => lastList.set({ href: "/board", ids: siblings.map((one) => one.id) })}
        onKeyDown={(event) => {
          if (event.ctrlKey || event.metaKey || event.altKey) return;
          if (event.key === "s") moveTo();
          else if (!onKey(event.key)) return;
          event.preventDefault();
        }}
      >
        {ticket.title}
      </Link>
      <div className="card-foot">
        {namedPriority(ticket.priority, t)}
        <span className="dim">{ticket.id}</span>
        <span className="card-who dim">{ticket.assigned_agent_name ?? "–"}</span>
        <DueChip ticket={ticket} />
        <Button size="compact-xs" variant="subtle" color="gray" onClick={moveTo} className="card-move">
          {t("board.move")}
          <span className="visually-hidden">{ticket.id}</span>
        </Button>
      </div>
    </li>
  );
}
