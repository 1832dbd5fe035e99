// The frame of what strangers see: sign-in, register, set-up.

import { SegmentedControl } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { chooseLocale, type Locale, useText } from "../i18n";

export function Door({ title, name, children }: { title: string; name?: string | undefined; children: ReactNode }) {
  const { t, locale } = useText();
  useEffect(() => {
    document.title = `${title} · Taquilla`;
  }, [title]);
  return (
    <div className="door">
      <main className="door-box">
        <p className="brand">{name ?? "Taquilla"}</p>
        <h1>{title}</h1>
        {children}
      </main>
      <SegmentedControl
        size="xs"
        aria-label={t("settings.language")}
        value={locale}
        onChange={(value) => chooseLocale(value as Locale)}
        data={[
          { value: "en", label: "English" },
          { value: "es", label: "Español" },
        ]}
      />
    </div>
  );
}
