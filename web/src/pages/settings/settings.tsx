import { Tabs } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useText } from "../../i18n";
import { useMe } from "../../lib/use-session";
import { DeskSettings } from "./desk";
import { Profile } from "./profile";
import { Sessions } from "./sessions";
import { StatusPanel } from "./status";
import { Tokens } from "./tokens";

const OWN = ["profile", "sessions", "tokens"] as const;
const ADMIN = [...OWN, "desk", "status"] as const;

const PANELS = { profile: Profile, sessions: Sessions, tokens: Tokens, desk: DeskSettings, status: StatusPanel };

export function SettingsPage() {
  const { t } = useText();
  const me = useMe();
  const navigate = useNavigate();
  const { tab } = useParams({ strict: false });
  const tabs: readonly (keyof typeof PANELS)[] = me.role === "admin" ? ADMIN : OWN;
  const shown = tabs.find((one) => one === tab) ?? "profile";
  const Panel = PANELS[shown];
  useDocumentTitle(`${t("settings.title")} · Taquilla`);
  return (
    <div className="page">
      <h1>{t("settings.title")}</h1>
      <Tabs value={shown} onChange={(value) => void navigate({ to: "/settings/{-$tab}", params: { tab: value ?? "profile" } })}>
        <Tabs.List>
          {tabs.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {t(`settings.${one}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {tabs.map((one) => (
          <Tabs.Panel key={one} value={one} className="settings-panel">
            {one === shown && <Panel />}
          </Tabs.Panel>
        ))}
      </Tabs>
    </div>
  );
}
