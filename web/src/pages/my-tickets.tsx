import { Button, SegmentedControl } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { infiniteQueryOptions, useInfiniteQuery } from "@tanstack/react-query";
import { Link, Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { ticketPage } from "../api/queries";
import { ACTIVE } from "../api/types";
import { useText } from "../i18n";
import { lastList } from "../lib/last-list";
import { useMe } from "../lib/use-session";
import { Ago, StatusMark } from "../parts/marks";
import { Bones, Empty, Failed } from "../parts/states";
import { ticketPageAhead } from "../router";

type Show = "active" | "done" | "all";

const mineQuery = (show: Show) =>
  infiniteQueryOptions({
    queryKey: ["mine", show] as const,
    queryFn: ({ pageParam }) => {
      const status = show === "active" ? ACTIVE.join(",") : "resolved,closed";
      return ticketPage({ creator_id: "me", sort: "-updated_at", ...(show === "all" ? {} : { status }) }, pageParam, 50);
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
  });

export function MyTicketsPage() {
  const { t } = useText();
  const me = useMe();
  const navigate = useNavigate();
  const { show = "active" } = useSearch({ from: "/app/tickets" });
  const list = useInfiniteQuery(mineQuery(show));
  useDocumentTitle(`${t("mine.title")} · Taquilla`);
  useEffect(() => {
    if (list.isSuccess) ticketPageAhead();
  }, [list.isSuccess]);
  if (me.role !== "user") return <Navigate to="/inbox" replace />;
  const rows = list.data?.pages.flatMap((page) => page.rows) ?? [];
  return (
    <div className="page page-list">
      <header className="page-bar">
        <h1>{t("mine.title")}</h1>
        <SegmentedControl
          size="xs"
          aria-label={t("mine.filter")}
          value={show}
          onChange={(value) =>
            void navigate({ to: "/tickets", search: value === "active" ? {} : { show: value as "done" | "all" } })
          }
          data={(["active", "done", "all"] as const).map((value) => ({ value, label: t(`mine.${value}`) }))}
        />
        <Button component={Link} to="/new" size="sm" leftSection={<IconPlus size={15} aria-hidden />}>
          {t("nav.new_ticket")}
        </Button>
      </header>
      {list.isPending && !list.isError && <Bones rows={5} />}
      {list.isError && <Failed error={list.error} retry={() => void list.refetch()} />}
      {list.isSuccess && rows.length === 0 && (
        <Empty title={t("mine.empty")} hint={t("mine.empty_hint")}>
          <Button component={Link} to="/new" size="xs">
            {t("nav.new_ticket")}
          </Button>
        </Empty>
      )}
      <ul className="mine">
        {rows.map((ticket) => (
          <li key={ticket.id}>
            <Link
              to="/tickets/$id"
              params={{ id: String(ticket.id) }}
              className="mine-row"
              onClick={() => lastList.set({ href: location.pathname + location.search, ids: rows.map((row) => row.id) })}
            >
              <span className="mine-id">{ticket.id}</span>
              <span className="mine-title">{ticket.title}</span>
              <StatusMark status={ticket.status} />
              <span className="mine-when">
                <Ago at={ticket.updated_at} />
              </span>
            </Link>
          </li>
        ))}
      </ul>
      {list.hasNextPage && (
        <Button variant="default" size="xs" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {t("activity.more")}
        </Button>
      )}
    </div>
  );
}
