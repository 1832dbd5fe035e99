// How the desk does: numbers, and charts that can be read as tables and taken along.

import { SegmentedControl } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useQueries, useQuery } from "@tanstack/react-query";
import { Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { authorized, ApiError } from "../api/client";
import { countQuery } from "../api/queries";
import { ACTIVE, PRIORITIES, type Problem, STATUSES } from "../api/types";
import { useText } from "../i18n";
import { csv, BOM, save } from "../lib/download";
import { useMe } from "../lib/use-session";
import { PriorityMark, StatusMark } from "../parts/marks";
import { Bones, Failed } from "../parts/states";

const Flow = lazy(() => import("../parts/charts").then((module) => ({ default: module.Flow })));
const Bars = lazy(() => import("../parts/charts").then((module) => ({ default: module.Bars })));

interface Point {
  timestamp: string;
  value: number;
}

interface Agent {
  agent_id: number;
  agent_name: string;
  assigned_tickets: number;
  resolved_tickets: number;
  avg_resolution_time_hours: number | null;
}

interface Dashboard {
  ticket_stats: {
    total_tickets: number;
    open_tickets: number;
    in_progress_tickets: number;
    pending_tickets: number;
    resolved_tickets: number;
    closed_tickets: number;
  };
  priority_stats: { low: number; medium: number; high: number; critical: number };
  top_agents: Agent[];
  tickets_over_time: Point[];
  resolved_over_time: Point[];
  avg_resolution_time_hours: number | null;
  median_resolution_time_hours: number | null;
  p90_resolution_time_hours: number | null;
  avg_first_response_time_hours: number | null;
  sla: Record<"first_response" | "resolution", { met: number; breached: number }>;
}

const RANGES = [7, 30, 90, 365];

async function dashboard(days: number): Promise<Dashboard> {
  const answer = await authorized(new Request(`/api/v1/analytics/dashboard?days=${days}`)).catch((error) => {
    throw error instanceof ApiError ? error : new ApiError(0);
  });
  if (!answer.ok) throw new ApiError(answer.status, (await answer.json().catch(() => undefined)) as Problem | undefined);
  return (await answer.json()) as Dashboard;
}

export function DashboardPage() {
  const { t } = useText();
  const me = useMe();
  useDocumentTitle(`${t("dash.title")} · Taquilla`);
  if (me.role === "user") return <Navigate to="/tickets" replace />;
  return <Shown />;
}

function Shown() {
  const { t, locale } = useText();
  const navigate = useNavigate();
  const { days = 30 } = useSearch({ from: "/app/dashboard" });
  const { data, error, isError, refetch } = useQuery({
    queryKey: ["dashboard", days],
    queryFn: () => dashboard(days),
    placeholderData: (before: Dashboard | undefined) => before,
  });
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const hours = (value: number | null) => (value === null ? t("dash.none") : t("dash.hours", { hours: number.format(value) }));

  const head = (
    <header className="page-bar">
      <h1>{t("dash.title")}</h1>
      <SegmentedControl
        size="xs"
        aria-label={t("dash.range")}
        value={String(days)}
        onChange={(value) => void navigate({ to: "/dashboard", search: { days: Number(value) } })}
        data={RANGES.map((range) => ({ value: String(range), label: t("dash.days", { count: range }) }))}
      />
    </header>
  );
  if (!data) {
    return (
      <div className="page">
        {head}
        {isError ? <Failed error={error} retry={() => void refetch()} /> : <Bones rows={10} />}
      </div>
    );
  }
  const stats = data.ticket_stats;
  const active = stats.open_tickets + stats.in_progress_tickets + stats.pending_tickets;
  const created = data.tickets_over_time.reduce((sum, point) => sum + point.value, 0);
  const resolved = data.resolved_over_time.reduce((sum, point) => sum + point.value, 0);
  const flow = data.tickets_over_time.map((point, n) => ({
    day: point.timestamp,
    created: point.value,
    resolved: data.resolved_over_time[n]?.value ?? 0,
  }));
  const share = ({ met, breached }: { met: number; breached: number }) =>
    met + breached === 0
      ? t("dash.none")
      : new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(met / (met + breached));

  return (
    <div className="page dash">
      {head}
      <dl className="cards-row">
        <Card label={t("dash.active")} value={number.format(active)} hint={t("dash.unresolved_hint")} />
        <Card label={t("dash.created")} value={number.format(created)} hint={t("dash.days", { count: days })} />
        <Card label={t("dash.resolved")} value={number.format(resolved)} hint={t("dash.days", { count: days })} />
        <Card label={t("dash.median_resolution")} value={hours(data.median_resolution_time_hours)} />
        <Card label={t("dash.mean_response")} value={hours(data.avg_first_response_time_hours)} />
        <Card label={`${t("dash.sla")}: ${t("sla.resolution")}`} value={share(data.sla.resolution)} />
      </dl>
      <Chart
        name={t("dash.flow")}
        wide
        columns={[t("dash.date"), t("dash.created"), t("dash.resolved")]}
        rows={flow.map((point) => [point.day, point.created, point.resolved])}
        empty={created + resolved === 0}
      >
        <Flow data={flow} created={t("dash.created")} resolved={t("dash.resolved")} locale={locale} />
      </Chart>
      <div className="dash-grid">
        <Chart
          name={t("dash.by_status")}
          columns={[t("field.status"), t("dash.count")]}
          rows={STATUSES.map((status) => [t(`status.${status}`), stats[`${status}_tickets`]])}
          marks={STATUSES.map((status) => (
            <StatusMark key={status} status={status} />
          ))}
          empty={stats.total_tickets === 0}
        >
          <Bars
            name={t("dash.count")}
            data={STATUSES.map((status) => ({ name: t(`status.${status}`), value: stats[`${status}_tickets`] }))}
          />
        </Chart>
        <Chart
          name={t("dash.by_priority")}
          columns={[t("field.priority"), t("dash.count")]}
          rows={PRIORITIES.map((priority) => [t(`priority.${priority}`), data.priority_stats[priority]])}
          marks={PRIORITIES.map((priority) => (
            <PriorityMark key={priority} priority={priority} />
          ))}
          empty={stats.total_tickets === 0}
        >
          <Bars
            name={t("dash.count")}
            data={PRIORITIES.map((priority) => ({ name: t(`priority.${priority}`), value: data.priority_stats[priority] }))}
          />
        </Chart>
        <Backlog />
        <Chart
          name={t("dash.by_agent")}
          columns={[t("dash.agent"), t("dash.assigned"), t("dash.resolved"), t("dash.mean")]}
          rows={data.top_agents.map((agent) => [
            agent.agent_name,
            agent.assigned_tickets,
            agent.resolved_tickets,
            agent.avg_resolution_time_hours,
          ])}
          empty={data.top_agents.length === 0}
        >
          <Bars
            name={t("dash.resolved")}
            data={data.top_agents.map((agent) => ({ name: agent.agent_name, value: agent.resolved_tickets }))}
          />
        </Chart>
        <Chart
          name={t("dash.times")}
          columns={[t("dash.times"), "h"]}
          rows={[
            [t("dash.mean_resolution"), data.avg_resolution_time_hours],
            [t("dash.median_resolution"), data.median_resolution_time_hours],
            [t("dash.p90_resolution"), data.p90_resolution_time_hours],
            [t("dash.mean_response"), data.avg_first_response_time_hours],
          ]}
        />
        <Chart
          name={t("dash.sla")}
          columns={[t("dash.sla"), t("dash.met"), t("dash.breached"), "%"]}
          rows={(["first_response", "resolution"] as const).map((kind) => [
            t(`sla.${kind}`),
            data.sla[kind].met,
            data.sla[kind].breached,
            share(data.sla[kind]),
          ])}
        />
      </div>
    </div>
  );
}

function Card({ label, value, hint }: { label: string; value: string; hint?: string }) {
  return (
    <div className="figure">
      <dt>{label}</dt>
      <dd>
        <span className="figure-value">{value}</span>
        {hint && <span className="dim figure-hint">{hint}</span>}
      </dd>
    </div>
  );
}

/** How long the active tickets have been waiting. */
function Backlog() {
  const { t } = useText();
  const [now] = useState(() => Date.now());
  const before = (days: number) => new Date(now - days * 86_400_000).toISOString();
  const status = ACTIVE.join(",");
  const spans = [
    { name: t("dash.age_day"), params: { status, created_after: before(1) } },
    { name: t("dash.age_week"), params: { status, created_after: before(7), created_before: before(1) } },
    { name: t("dash.age_month"), params: { status, created_after: before(30), created_before: before(7) } },
    { name: t("dash.age_more"), params: { status, created_before: before(30) } },
  ];
  const counts = useQueries({ queries: spans.map((span) => countQuery(span.params)) });
  const data = spans.map((span, n) => ({ name: span.name, value: counts[n]?.data?.total ?? 0 }));
  return (
    <Chart
      name={t("dash.backlog")}
      columns={[t("field.age"), t("dash.count")]}
      rows={data.map((one) => [one.name, one.value])}
      empty={data.every((one) => one.value === 0)}
    >
      <Bars name={t("dash.count")} data={data} />
    </Chart>
  );
}

type Cell = string | number | null;

/** A chart, its table and its file. Without a chart the table is all there is. */
function Chart(props: {
  name: string;
  columns: string[];
  rows: Cell[][];
  marks?: ReactNode[];
  children?: ReactNode;
  wide?: boolean;
  empty?: boolean;
}) {
  const { t, locale } = useText();
  const [table, setTable] = useState(false);
  const { name, columns, rows, marks, children } = props;
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const asTable = table || !children;
  const file = `${name.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-")}.csv`;
  return (
    <section className={`chart ${props.wide ? "chart-wide" : ""}`} aria-label={name}>
      <header className="chart-head">
        <h2>{name}</h2>
        {children && !props.empty && (
          <button type="button" className="plain" onClick={() => setTable(!table)}>
            {t(asTable ? "dash.chart" : "dash.table")}
            <span className="visually-hidden">: {name}</span>
          </button>
        )}
        <button
          type="button"
          className="plain"
          aria-label={t("dash.csv_of", { name })}
          onClick={() => save(file, [BOM, csv([columns, ...rows])])}
        >
          {t("dash.csv")}
        </button>
      </header>
      {props.empty ? (
        <p className="dim chart-empty">{t("dash.empty")}</p>
      ) : asTable ? (
        <div className="chart-table">
          <table className="table">
            <thead>
              <tr>
                {columns.map((column, n) => (
                  <th scope="col" key={column} className={n > 0 ? "number" : ""}>
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, n) => (
                <tr key={String(row[0])}>
                  {row.map((cell, m) =>
                    m === 0 ? (
                      <th scope="row" key={columns[m]}>
                        {marks?.[n] ?? cell}
                      </th>
                    ) : (
                      <td key={columns[m]} className="number">
                        {cell === null ? "–" : typeof cell === "number" ? number.format(cell) : cell}
                      </td>
                    ),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <Suspense fallback={<div className="chart-room" />}>{children}</Suspense>
      )}
    </section>
  );
}
