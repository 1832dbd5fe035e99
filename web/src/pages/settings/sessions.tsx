import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { signOut } from "../../api/auth";
import { api, body } from "../../api/client";
import { queryClient, sessionsQuery } from "../../api/queries";
import type { Session } from "../../api/types";
import { useText } from "../../i18n";
import { failed, told } from "../../lib/notify";
import { Ago } from "../../parts/marks";
import { Bones, Failed } from "../../parts/states";

/** Browser and system, from what the browser calls itself. */
export function device(agent: string): string {
  const browser = agent.match(/(Edg|OPR|Firefox|Chrome|Safari|curl)[a-z]*\/(\d+)/);
  const system = agent.match(/Windows|Android|iPhone|iPad|Mac OS X|Linux/)?.[0];
  const name = browser?.[1] === "Edg" ? "Edge" : browser?.[1] === "OPR" ? "Opera" : browser?.[1];
  return name ? `${name} ${browser?.[2]}${system ? ` · ${system.replace("Mac OS X", "macOS")}` : ""}` : agent.slice(0, 60) || "–";
}

export function Sessions() {
  const { t } = useText();
  const sessions = useQuery(sessionsQuery());
  const end = async (one: Session) => {
    if (one.current) return signOut();
    try {
      await body(api.DELETE("/api/v1/auth/sessions/{id}", { params: { path: { id: one.id } } }));
      told(t("settings.session_ended"));
    } catch (error) {
      failed(error);
    }
    void queryClient.invalidateQueries({ queryKey: ["sessions"] });
  };
  if (sessions.isError && !sessions.data) return <Failed error={sessions.error} retry={() => void sessions.refetch()} />;
  if (!sessions.data) return <Bones rows={3} />;
  return (
    <table className="table">
      <thead>
        <tr>
          <th scope="col">{t("settings.device")}</th>
          <th scope="col" className="wide">
            {t("settings.address")}
          </th>
          <th scope="col" className="wide">
            {t("settings.began")}
          </th>
          <th scope="col">{t("settings.last_used")}</th>
          <th scope="col">
            <span className="visually-hidden">{t("settings.end_session")}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {sessions.data.map((one) => (
          <tr key={one.id}>
            <td>
              {device(one.user_agent)} {one.current && <span className="dim">({t("settings.this_session")})</span>}
            </td>
            <td className="wide">{one.address}</td>
            <td className="wide">
              <Ago at={one.created_at} />
            </td>
            <td>
              <Ago at={one.last_used_at} />
            </td>
            <td className="table-end">
              <Button
                size="compact-sm"
                variant="default"
                aria-label={t("settings.end_session_of", { agent: device(one.user_agent) })}
                onClick={() => void end(one)}
              >
                {t("settings.end_session")}
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
