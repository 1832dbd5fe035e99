// The rows: only those in sight are in the page.

import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useRef } from "react";
import type { Ticket } from "../../api/types";
import { type InLanguage, useText } from "../../i18n";
import { isForUs } from "../../lib/links";
import { useMedia } from "../../lib/use-media";
import { useNow } from "../../lib/use-now";
import { usePainted } from "../../lib/use-painted";
import { agoCell, dueChip, namedPriority, statusWords, Tag } from "../../parts/marks";

/** Rows that are drawn beyond those in sight, on both sides. */
const OVERSCAN = 8;
/** The least that stands above and below a list, in pixels. */
const BARS = 100;

interface Props {
  rows: Ticket[];
  /** Which list it is: another one begins at its top. */
  list: string;
  /** Whether the rows are those of the list before, while the new ones are on their way. */
  old: boolean;
  active: number;
  selected: ReadonlySet<number>;
  onActive: (index: number) => void;
  onToggle: (id: number) => void;
  onToggleAll: () => void;
  onOpen: (ticket: Ticket) => void;
  more: boolean;
  onMore: () => void;
}

interface RowProps {
  ticket: Ticket;
  index: number;
  active: boolean;
  selected: boolean;
  top: number;
  height: number;
  text: InLanguage;
  now: number;
  onToggle: (id: number) => void;
  onOpen: (ticket: Ticket) => void;
  onActive: (index: number) => void;
}

const Row = memo(function Row(props: RowProps) {
  const { ticket, index, active, selected, top, height, text, now, onToggle, onOpen, onActive } = props;
  const { t } = text;
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      className={`row ${active ? "row-active" : ""} ${selected ? "row-selected" : ""}`}
      style={{ transform: `translateY(${top}px)`, height }}
      tabIndex={-1}
      onMouseDown={() => onActive(index)}
    >
      <span role="cell" className="cell-check">
        <input
          type="checkbox"
          checked={selected}
          aria-label={t("inbox.select", { id: ticket.id })}
          onChange={() => onToggle(ticket.id)}
        />
      </span>
      <span role="cell" className="cell-priority">
        {namedPriority(ticket.priority, t)}
      </span>
      <span role="cell" className="cell-id">
        {ticket.id}
      </span>
      <span role="cell" className="cell-title">
        <a
          href={`/tickets/${ticket.id}`}
          className="row-link"
          onFocus={() => onActive(index)}
          onClick={(event) => {
            if (isForUs(event)) onOpen(ticket);
          }}
        >
          {ticket.title}
        </a>
        {ticket.tags.length > 0 && (
          <span className="row-tags">
            {ticket.tags.slice(0, 3).map((tag) => (
              <Tag key={tag} tag={tag} />
            ))}
          </span>
        )}
      </span>
      <span role="cell" className="cell-requester">
        {ticket.creator_name}
      </span>
      <span role="cell" className="cell-status marked">
        {statusWords(ticket.status, t)}
      </span>
      <span role="cell" className="cell-assignee">
        {ticket.assigned_agent_name ?? <span className="dim">–</span>}
      </span>
      {agoCell("cell-age", ticket.created_at, now, text)}
      {agoCell("cell-updated", ticket.updated_at, now, text)}
      <span role="cell" className="cell-due">
        {dueChip(ticket, now, t)}
      </span>
    </div>
  );
});

export function TicketList({ rows, list, old, active, selected, onActive, onToggle, onToggleAll, onOpen, more, onMore }: Props) {
  const text = useText();
  const { t } = text;
  const now = useNow();
  const painted = usePainted();
  const touch = useMedia("(pointer: coarse), (max-width: 700px)");
  const narrow = useMedia("(max-width: 700px)");
  const height = narrow ? 60 : touch ? 44 : 36;
  const area = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => area.current,
    estimateSize: () => height,
    // The first drawing has just the rows that can be seen; until it is measured, the list takes all but the bars around it.
    overscan: painted ? OVERSCAN : 0,
    initialRect: { width: 0, height: window.innerHeight - BARS },
  });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;

  const measured = useRef(height);
  useEffect(() => {
    if (measured.current === height) return;
    measured.current = height;
    virtual.measure();
  }, [height, virtual]);

  useEffect(() => {
    if (more && last >= rows.length - 30) onMore();
  }, [last, rows.length, more, onMore]);

  // Only after a change: to look where a list stands that has just come would have the page laid out once more.
  const stood = useRef({ list, active });
  useEffect(() => {
    const before = stood.current;
    stood.current = { list, active };
    if (before.list !== list) area.current?.scrollTo(0, 0);
    else if (before.active !== active) virtual.scrollToIndex(active, { align: "auto" });
  }, [list, active, virtual]);

  return (
    <div
      role="table"
      aria-label={t("nav.inbox")}
      aria-rowcount={rows.length + 1}
      aria-busy={old}
      className={`list ${old ? "list-old" : ""}`}
    >
      <div role="rowgroup" className="list-head">
        <div role="row" className="row row-head" aria-rowindex={1}>
          <span role="columnheader" className="cell-check">
            <input
              type="checkbox"
              aria-label={t("inbox.select_all")}
              checked={selected.size > 0 && selected.size === rows.length}
              onChange={onToggleAll}
            />
          </span>
          <span role="columnheader" className="cell-priority">
            <span className="visually-hidden">{t("field.priority")}</span>
          </span>
          <span role="columnheader" className="cell-id">
            {t("field.id")}
          </span>
          <span role="columnheader" className="cell-title">
            {t("field.title")}
          </span>
          <span role="columnheader" className="cell-requester">
            {t("field.requester")}
          </span>
          <span role="columnheader" className="cell-status">
            {t("field.status")}
          </span>
          <span role="columnheader" className="cell-assignee">
            {t("field.assignee")}
          </span>
          <span role="columnheader" className="cell-age">
            {t("field.age")}
          </span>
          <span role="columnheader" className="cell-updated">
            {t("field.activity")}
          </span>
          <span role="columnheader" className="cell-due">
            {t("field.sla")}
          </span>
        </div>
      </div>
      <div className="list-scroll" ref={area}>
        <div role="rowgroup" className="list-body" style={{ height: virtual.getTotalSize() }}>
          {shown.map((item) => {
            const ticket = rows[item.index];
            return (
              ticket && (
                // By place: another list, or another order, writes other words into the rows that are there.
                <Row
                  key={item.index}
                  ticket={ticket}
                  index={item.index}
                  active={item.index === active}
                  selected={selected.has(ticket.id)}
                  top={item.start}
                  height={height}
                  text={text}
                  now={now}
                  onToggle={onToggle}
                  onOpen={onOpen}
                  onActive={onActive}
                />
              )
            );
          })}
        </div>
      </div>
    </div>
  );
}
