// Pages that say why there is nothing else: missing, broken, empty.

import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useText } from "../i18n";
import { explain } from "../lib/notify";

export function Empty({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {hint && <p className="dim">{hint}</p>}
      {children && <div className="empty-actions">{children}</div>}
    </div>
  );
}

export function Missing() {
  const { t } = useText();
  return (
    <main className="page">
      <Empty title={t("app.not_found")} hint={t("app.not_found_hint")}>
        <Button component={Link} to="/" variant="default" size="xs">
          {t("app.home")}
        </Button>
      </Empty>
    </main>
  );
}

export function Broken({ error }: { error: unknown }) {
  const { t } = useText();
  return (
    <main className="page">
      <Empty title={t("app.error_title")} hint={explain(error, t)}>
        <Button variant="default" size="xs" onClick={() => location.reload()}>
          {t("app.reload")}
        </Button>
      </Empty>
    </main>
  );
}

export function Failed({ error, retry }: { error: unknown; retry: () => void }) {
  const { t } = useText();
  return (
    <Empty title={t("app.failed")} hint={explain(error, t)}>
      <Button variant="default" size="xs" onClick={retry}>
        {t("app.retry")}
      </Button>
    </Empty>
  );
}

/** Grey bars where rows will be. */
export function Bones({ rows = 8 }: { rows?: number }) {
  const { t } = useText();
  return (
    <div className="bones" role="status" aria-label={t("app.loading")}>
      {Array.from({ length: rows }, (_, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the bars are all the same
        <div key={n} className="bone" />
      ))}
    </div>
  );
}
