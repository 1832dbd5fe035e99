import type { User } from "../api/types";
import { chooseLocale, deviceLocale, type Text, translate as t } from "../i18n";
import { setColors } from "../lib/colors";
import { BUILT_IN, DELETED } from "../lib/search";
import { KeyHelp } from "./key-help";
import { type Choice, pick } from "./picker";

interface Target {
  to: string;
  params?: Record<string, string>;
  search?: Record<string, string>;
}

/** Every command by its name, and every ticket by its number. */
export function openPalette(user: User, go: (target: Target) => void): void {
  const staff = user.role !== "user";
  const place = (text: Text, target: Target): Choice => ({
    id: `go ${text}`,
    label: t("palette.go", { place: t(text) }),
    run: () => go(target),
  });
  const choices: Choice[] = [{ id: "new", label: t("nav.new_ticket"), hint: "c", run: () => go({ to: "/new" }) }];
  if (staff) {
    choices.push(...BUILT_IN.map((view) => place(`view.${view.id}`, { to: "/inbox", search: { q: view.query } })));
    choices.push(place("nav.board", { to: "/board" }), place("nav.dashboard", { to: "/dashboard" }));
  } else {
    choices.push(place("nav.my_tickets", { to: "/tickets" }));
  }
  if (user.role === "admin") {
    choices.push(
      place("view.deleted_tickets", { to: "/inbox", search: { q: DELETED } }),
      place("nav.people", { to: "/people" }),
      place("nav.activity", { to: "/activity" }),
    );
  }
  choices.push(place("nav.settings", { to: "/settings" }));
  const colors = ["auto", "light", "dark"] as const;
  choices.push(
    ...colors.map((color) => ({
      id: `color ${color}`,
      label: `${t("palette.theme")}: ${t(`settings.theme_${color}`)}`,
      run: () => setColors(color),
    })),
    {
      id: "language",
      label: `${t("palette.language")}: ${deviceLocale() === "en" ? "Español" : "English"}`,
      run: () => chooseLocale(deviceLocale() === "en" ? "es" : "en"),
    },
    { id: "keys", label: t("nav.keys"), hint: "?", run: () => KeyHelp.open() },
  );
  pick({
    placeholder: t("pick.command"),
    choices,
    typed: (text) => {
      const id = text.match(/^#?([1-9]\d*)$/)?.[1];
      const found: Choice[] = [];
      if (id)
        found.push({ id: "ticket", label: t("pick.go_ticket", { id }), run: () => go({ to: "/tickets/$id", params: { id } }) });
      if (text && staff) {
        found.push({
          id: "search",
          label: t("pick.search", { words: text }),
          run: () => go({ to: "/inbox", search: { q: text } }),
        });
      }
      return found;
    },
  });
}
