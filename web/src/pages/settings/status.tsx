import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo } from "react";
import { api, body, open } from "../../api/client";
import type { InfluxReport } from "../../api/types";
import { useText } from "../../i18n";
import { explain } from "../../lib/notify";
import { Ago } from "../../parts/marks";
import { Bones, Failed } from "../../parts/states";

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const STORES: Record<string, string> = { sled: "sled", postgresql: "PostgreSQL" };

/** How the desk itself is. */
export function StatusPanel() {
  const { t, locale } = useText();
  const number = useMemo(() => new Intl.NumberFormat(locale), [locale]);
  const status = useQuery({
    queryKey: ["status"],
    queryFn: () => body(api.GET("/api/v1/admin/status")),
    refetchInterval: 10_000,
  });
  const ready = useQuery({
    queryKey: ["ready"],
    queryFn: () => body(open.GET("/health/ready")),
    refetchInterval: 10_000,
    retry: false,
  });
  const desk = status.data;
  if (!desk && status.isError) return <Failed error={status.error} retry={() => void status.refetch()} />;
  if (!desk) return <Bones rows={6} />;
  return (
    <dl className="fact-list settings-facts">
      <Fact label={t("settings.version")}>{desk.version}</Fact>
      <Fact label={t("settings.storage")}>
        {STORES[desk.store] ?? desk.store} {ready.isSuccess && <span className="good">✓ {t("settings.working")}</span>}
        {ready.isError && <span className="bad">⚠ {t("settings.broken", { part: explain(ready.error, t) })}</span>}
      </Fact>
      <Fact label={t("settings.log")}>
        {t("settings.log_entries", { count: desk.activity_seq, number: number.format(desk.activity_seq) })}
      </Fact>
      <Fact label="InfluxDB">
        <Influx report={desk.influxdb} format={(value) => number.format(value)} />
      </Fact>
      <Fact label={t("settings.metrics")}>
        <code>/metrics</code> <span className="dim">{t("settings.metrics_hint")}</span>
      </Fact>
      <Fact label={t("settings.docs")}>
        <Anchor href="/docs">Swagger UI</Anchor> · <Anchor href="/redoc">ReDoc</Anchor> ·{" "}
        <Anchor href="/openapi.json">OpenAPI</Anchor>
      </Fact>
    </dl>
  );
}

/** How pushing metrics goes: in one word, in figures, and what is wrong. */
function Influx({ report, format }: { report: InfluxReport; format: (value: number) => string }) {
  const { t } = useText();
  if (report.state === "off") return <span className="dim">{t("influx.off")}</span>;
  const failing = report.state === "failing";
  const word = failing ? "influx.failing" : report.state === "standby" ? "influx.standby" : "influx.ok";
  return (
    <>
      <span className={failing ? "bad" : "good"}>
        {failing ? "⚠" : "✓"} {t(word)}
      </span>
      {report.last_error && (
        <p>
          {report.last_error.message}{" "}
          <span className="dim">
            (<Ago at={report.last_error.at} />)
          </span>
        </p>
      )}
      <p className="dim">
        {t("influx.lag", { count: report.lag_events, number: format(report.lag_events) })} ·{" "}
        {t("influx.written", { count: report.points_written, number: format(report.points_written) })}
        {report.points_dropped > 0 &&
          ` · ${t("influx.dropped", { count: report.points_dropped, number: format(report.points_dropped) })}`}
        {report.points_rejected > 0 &&
          ` · ${t("influx.rejected", { count: report.points_rejected, number: format(report.points_rejected) })}`}
        {report.last_success_at && (
          <>
            {" · "}
            {t("influx.last")} <Ago at={report.last_success_at} />
          </>
        )}
      </p>
    </>
  );
}
