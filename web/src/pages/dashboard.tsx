// How the desk does: numbers, and charts that can be read as tables and taken along.

import { SegmentedControl } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Navigate, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { api, body } from "../api/client";
import { PRIORITIES, STATUSES } from "../api/types";
import { useText } from "../i18n";
import { BOM, csv, save } from "../lib/download";
import { useMe } from "../lib/use-session";
import { PriorityMark, StatusMark } from "../parts/marks";
import { Bones, Failed } from "../parts/states";

const Flow = lazy(() => import("../parts/charts").then((module) => ({ default: module.Flow })));
const Bars = lazy(() => import("../parts/charts").then((module) => ({ default: module.Bars })));

const RANGES = [7, 30, 90, 365];

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
    queryFn: () => body(api.GET("/api/v1/analytics/dashboard", { params: { query: { days } as never } })),
    placeholderData: keepPreviousData,
  });
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const hours = (value: number | null | undefined) =>
    value === null || value === undefined ? t("dash.none") : t("dash.hours", { hours: number.format(value) });

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
          marks={STATUSES.map((status) => <StatusMark key={status} status={status} />)}
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
          marks={PRIORITIES.map((priority) => <PriorityMark key={priority} priority={priority} />)}
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
      </div>
      <Times days={days} />
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
  const { data } = useQuery({ queryKey: ["dashboard", "backlog"], queryFn: () => body(api.GET("/api/v1/analytics/backlog")) });
  const rows = (data?.ages ?? []).map(({ bucket, tickets }) => {
    // Names are `03_lt7d`, `05_ge30d`; an unknown one is shown as it is.
    const [, kind, count, unit] = bucket.match(/_(lt|ge)(\d+)([hd])$/) ?? [];
    const name = kind && count && unit ? t(`dash.age_${kind}_${unit}` as never, { count: Number(count) }) : bucket;
    return { name, value: tickets };
  });
  return (
    <Chart
      name={t("dash.backlog")}
      columns={[t("field.age"), t("dash.count")]}
      rows={rows.map((one) => [one.name, one.value])}
      empty={rows.every((one) => one.value === 0)}
    >
      <Bars name={t("dash.count")} data={rows} />
    </Chart>
  );
}

/** How long answers and resolutions take, and how often in time. */
function Times({ days }: { days: number }) {
  const { t, locale } = useText();
  const { data } = useQuery({
    queryKey: ["dashboard", "performance", days],
    queryFn: () => body(api.GET("/api/v1/analytics/performance", { params: { query: { days } as never } })),
    placeholderData: keepPreviousData,
  });
  const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
  const kinds = ["first_response", "resolution"] as const;
  const share = (met: number, breached: number) => (met + breached === 0 ? null : percent.format(met / (met + breached)));
  return (
    <Chart
      name={t("dash.times")}
      columns={[
        t("dash.times"),
        t("dash.tickets"),
        t("dash.mean"),
        t("dash.median"),
        t("dash.p90"),
        t("dash.met"),
        t("dash.breached"),
        t("dash.share"),
      ]}
      rows={
        data
          ? kinds.map((kind) => {
              const { tickets, avg_time_hours, median_time_hours, p90_time_hours, sla } = data[kind];
              const { met, breached } = sla;
              return [
                t(`sla.${kind}`),
                tickets,
                avg_time_hours,
                median_time_hours,
                p90_time_hours,
                met,
                breached,
                share(met, breached),
              ];
            })
          : []
      }
    />
  );
}

type Cell = string | number | null | undefined;

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
                        {cell === null || cell === undefined ? "–" : typeof cell === "number" ? number.format(cell) : cell}
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
