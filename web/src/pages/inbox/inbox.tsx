// The queue of the staff: search, list, selection, and what keys do with it.

import { ActionIcon, Button, Menu } from "@mantine/core";
import { useCallbackRef } from "@mantine/hooks";
import { IconArrowsSort, IconBookmarkPlus, IconDownload, IconPlus } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { fetchAhead, preferencesQuery, staffQuery, ticketsQuery } from "../../api/queries";
import { restoreAll } from "../../api/tickets";
import type { BulkFields, Ticket } from "../../api/types";
import { useText } from "../../i18n";
import { announce } from "../../lib/announce";
import { changeMany, flush } from "../../lib/bulk";
import { composeAs } from "../../lib/compose";
import { downloadTickets } from "../../lib/download";
import { useKeys } from "../../lib/keys";
import { lastList } from "../../lib/last-list";
import { failed, told } from "../../lib/notify";
import { BUILT_IN, DEFAULT_SORT, DELETED, inboxList, SORTS, START, withFilter } from "../../lib/search";
import { usePainted } from "../../lib/use-painted";
import { useMe } from "../../lib/use-session";
import { confirm } from "../../parts/confirm";
import { Dropdown, Tip } from "../../parts/later";
import { pickAssignee, pickPriority, pickStatus, pickTag } from "../../parts/picks";
import { Bones, Empty, Failed } from "../../parts/states";
import { ticketPageAhead } from "../../router";
import { type Actions, BulkBar } from "./bulk-bar";
import { FilterMenu, SearchBox } from "./filters";
import { useFresh } from "./fresh";
import { SaveView } from "./save-view";
import { TicketList } from "./ticket-list";

/** How long one stands on a row before its ticket is fetched, in milliseconds: not while one runs past. */
const AHEAD = 120;

export function InboxPage() {
  const me = useMe();
  if (me.role === "user") return <Navigate to="/tickets" replace />;
  return <Inbox />;
}

function Inbox() {
  const { t } = useText();
  const me = useMe();
  const navigate = useNavigate();
  const search = useSearch({ from: "/app/inbox" });
  const painted = usePainted();
  const staff = useQuery({ ...staffQuery(), enabled: painted });
  const people = staff.data ?? [];
  const names = useMemo(() => new Map(people.map((one) => [one.id, one.full_name])), [people]);
  const { text, sort, asked, faults } = useMemo(() => inboxList(search.q, search.sort, people), [search.q, search.sort, people]);
  const key = JSON.stringify(asked);
  const stable = useMemo(() => JSON.parse(key), [key]);
  // The list before stays until the new one is there: nothing jumps, and its rows are written anew.
  const list = useInfiniteQuery({ ...ticketsQuery(stable), placeholderData: keepPreviousData });
  const old = list.isPlaceholderData;
  const last = useRef(key);
  const shown = old ? last.current : key;
  useEffect(() => {
    last.current = shown;
  }, [shown]);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.rows) ?? [], [list.data]);
  const first = list.data?.pages[0];
  const [active, setActive] = useState(0);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const [saving, setSaving] = useState(false);
  const fresh = useFresh(stable, rows, list.isSuccess && !old);

  const address = useCallback(
    (q: string, order: string) => {
      void navigate({ to: "/inbox", search: { q: q || undefined, sort: order === DEFAULT_SORT ? undefined : order } as never });
    },
    [navigate],
  );
  const setText = (q: string) => {
    // An empty box means everything; the address without q is the start.
    if (q !== text) address(q === "" ? "*" : q, sort);
  };

  // biome-ignore lint/correctness/useExhaustiveDependencies: another list begins anew
  useEffect(() => {
    setActive(0);
    setSelected(new Set());
  }, [shown]);

  useEffect(() => flush, []);
  useEffect(() => {
    if (list.isSuccess) ticketPageAhead();
  }, [list.isSuccess]);

  const view = BUILT_IN.find((one) => one.query === text);
  const saved = useQuery(preferencesQuery()).data?.saved_views.find(
    (one) => one.query === text && (one.sort || DEFAULT_SORT) === sort,
  );
  const name = view ? t(`view.${view.id}`) : (saved?.name ?? t(text === DELETED ? "view.deleted_tickets" : "view.search"));
  const deleted = stable.deleted === "true";
  useEffect(() => {
    document.title = `${name} · Taquilla`;
  }, [name]);

  /** Brings deleted tickets back. */
  const restore = async (ids: number[]) => {
    setSelected(new Set());
    const refused = await restoreAll(ids);
    const restored = ids.length - refused.length;
    if (restored > 0) told(t("inbox.restored", { count: restored }));
    for (const error of refused.slice(0, 1)) failed(error);
  };
  const show = async (ticket: Ticket) => {
    // Nobody can look at a deleted ticket; it has to come back first.
    if (deleted) {
      if (!(await confirm(t("inbox.restore_ask", { id: ticket.id, title: ticket.title }), t("ticket.restore")))) return;
      await restore([ticket.id]);
    }
    lastList.set({ href: location.pathname + location.search, ids: rows.map((row) => row.id) });
    void navigate({ to: "/tickets/$id", params: { id: String(ticket.id) } });
  };
  // The same function at each drawing, so that rows which are the same are not drawn again.
  const open = useCallbackRef((ticket: Ticket) => void show(ticket));
  const current = old ? undefined : rows[Math.min(active, rows.length - 1)];
  const targets = (): number[] => {
    if (selected.size > 0) return rows.filter((row) => selected.has(row.id)).map((row) => row.id);
    return current ? [current.id] : [];
  };
  const change = (fields: BulkFields, what: string) => {
    changeMany(targets(), fields, what, names);
    setSelected(new Set());
  };
  const actions: Actions = deleted
    ? { restore: () => void restore(targets()) }
    : {
        assign: () => pickAssignee(people, me, (id, who) => change({ assigned_agent_id: id }, `${t("field.assignee")} → ${who}`)),
        status: () => pickStatus((status) => change({ status }, `${t("field.status")} → ${t(`status.${status}`)}`)),
        priority: () => pickPriority((priority) => change({ priority }, `${t("field.priority")} → ${t(`priority.${priority}`)}`)),
        tag: () => {
          const known = [...new Set(rows.flatMap((row) => row.tags))].sort();
          pickTag(known, (tag) => change({ add_tags: [tag] }, `${t("field.tags")} + ${tag}`));
        },
      };
  const toggle = useCallback(
    (id: number) =>
      setSelected((before) => {
        const next = new Set(before);
        if (!next.delete(id)) next.add(id);
        return next;
      }),
    [],
  );
  const move = (by: number) => {
    if (rows.length === 0 || old) return;
    setActive((before) => Math.max(0, Math.min(rows.length - 1, before + by)));
  };

  // The ticket that one stands on is at hand when it is opened.
  const ahead = deleted ? undefined : current?.id;
  useEffect(() => {
    if (ahead === undefined) return;
    const timer = setTimeout(() => fetchAhead(ahead), AHEAD);
    return () => clearTimeout(timer);
  }, [ahead]);

  const write = (kind: "reply" | "note") => () => {
    if (!current) return;
    composeAs(kind);
    void show(current);
  };

  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    x: () => current && toggle(current.id),
    Enter: () => current && void show(current),
    // While the list is on its way there is nothing to choose for.
    ...(actions.restore || !current
      ? {}
      : { a: actions.assign, s: actions.status, p: actions.priority, r: write("reply"), n: write("note") }),
    Escape: () => setSelected(new Set()),
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: said when the list has come, not when it is patched
  useEffect(() => {
    if (first?.total !== undefined && !old) {
      announce(t(first.capped ? "inbox.count_capped" : "inbox.count", { count: first.total }));
    }
  }, [shown, first?.total]);

  const filters = (
    <>
      <FilterMenu
        text={text}
        admin={me.role === "admin"}
        onFilter={(filter, value) => address(withFilter(text === "*" ? "" : text, filter, value) || "*", sort)}
      />
      <Dropdown
        position="bottom-end"
        tip={`${t("inbox.sort")}: ${t(`sort.${sort}` as never)}`}
        button={
          <ActionIcon variant="default" size={34} aria-label={t("inbox.sort")}>
            <IconArrowsSort size={16} aria-hidden />
          </ActionIcon>
        }
      >
        {SORTS.slice(0, 8).map((order) => (
          <Menu.Item key={order} onClick={() => address(text, order)} aria-current={order === sort}>
            <span className={order === sort ? "chosen" : ""}>{t(`sort.${order}` as never)}</span>
          </Menu.Item>
        ))}
      </Dropdown>
      <Tip label={t("view.save")}>
        <ActionIcon variant="default" size={34} aria-label={t("view.save")} onClick={() => setSaving(true)}>
          <IconBookmarkPlus size={16} aria-hidden />
        </ActionIcon>
      </Tip>
      <Tip label={t("inbox.csv")}>
        <ActionIcon
          variant="default"
          size={34}
          aria-label={t("inbox.csv")}
          onClick={() => downloadTickets(stable).then(() => told(t("inbox.csv_ready")), failed)}
        >
          <IconDownload size={16} aria-hidden />
        </ActionIcon>
      </Tip>
    </>
  );

  return (
    <div className="inbox">
      <header className="bar">
        <h1 className="crumb">
          {t("nav.inbox")} › {name}
        </h1>
        <SearchBox text={text === "*" ? "" : text} onSearch={setText} />
        <div className="bar-tools">
          {filters}
          <Button component={Link} to="/new" size="sm" leftSection={<IconPlus size={15} aria-hidden />} className="bar-new">
            {t("nav.new_ticket")}
          </Button>
        </div>
      </header>
      {faults.length > 0 && (
        <p className="faults" role="status">
          {t("inbox.fault", { words: faults.map((fault) => fault.word).join(", ") })}
        </p>
      )}
      {fresh.count > 0 && (
        <button type="button" className="fresh" onClick={fresh.load}>
          {t("inbox.fresh", { count: fresh.count })}
        </button>
      )}
      <div className="list-area">
        {list.isPending && !list.isError && <Bones rows={14} />}
        {list.isError && <Failed error={list.error} retry={() => void list.refetch()} />}
        {list.isSuccess && !old && rows.length === 0 && (
          <Empty title={t("inbox.empty")} hint={t("inbox.empty_hint")}>
            {text !== START && (
              <Button variant="default" size="xs" onClick={() => address(START, DEFAULT_SORT)}>
                {t("inbox.clear")}
              </Button>
            )}
          </Empty>
        )}
        {rows.length > 0 && (
          <TicketList
            rows={rows}
            list={shown}
            old={old}
            active={Math.min(active, rows.length - 1)}
            selected={selected}
            onActive={setActive}
            onToggle={toggle}
            onToggleAll={() =>
              setSelected((before) => (before.size === rows.length ? new Set() : new Set(rows.map((row) => row.id))))
            }
            onOpen={open}
            more={list.hasNextPage && !old}
            onMore={() => {
              if (!list.isFetchingNextPage) void list.fetchNextPage();
            }}
          />
        )}
      </div>
      <BulkBar count={selected.size} actions={actions} onClear={() => setSelected(new Set())} />
      <footer className="hints">
        <span>{t("inbox.hint")}</span>
        {first?.total !== undefined && (
          <span>{t(first.capped ? "inbox.count_capped" : "inbox.count", { count: first.total })}</span>
        )}
      </footer>
      {saving && <SaveView query={text} sort={sort === DEFAULT_SORT ? "" : sort} onClose={() => setSaving(false)} />}
    </div>
  );
}
