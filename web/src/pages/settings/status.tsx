import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { body, open } from "../../api/client";
import { useText } from "../../i18n";
import { explain } from "../../lib/notify";

/** How the desk itself is. */
export function StatusPanel() {
  const { t } = useText();
  const about = useQuery({
    queryKey: ["about"],
    queryFn: () => body(open.GET("/", { headers: { Accept: "application/json" } })),
  });
  const ready = useQuery({
    queryKey: ["ready"],
    queryFn: () => body(open.GET("/health/ready")),
    refetchInterval: 10_000,
    retry: false,
  });
  return (
    <dl className="fact-list settings-facts">
      <div className="fact">
        <dt>{t("settings.version")}</dt>
        <dd>{about.data?.version ?? "–"}</dd>
      </div>
      <div className="fact">
        <dt>{t("settings.storage")}</dt>
        <dd>
          {ready.isSuccess && <span className="good">✓ {t("settings.working")}</span>}
          {ready.isError && <span className="bad">⚠ {t("settings.broken", { part: explain(ready.error, t) })}</span>}
        </dd>
      </div>
      <div className="fact">
        <dt>{t("settings.metrics")}</dt>
        <dd>
          <code>/metrics</code> <span className="dim">{t("settings.metrics_hint")}</span>
        </dd>
      </div>
      <div className="fact">
        <dt>{t("settings.docs")}</dt>
        <dd>
          <Anchor href="/docs">Swagger UI</Anchor> · <Anchor href="/redoc">ReDoc</Anchor> ·{" "}
          <Anchor href="/openapi.json">OpenAPI</Anchor>
        </dd>
      </div>
    </dl>
  );
}
