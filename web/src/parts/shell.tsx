// The frame of the app: navigation, the page, the palette, what is announced.

import { ActionIcon, Drawer, Menu, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import {
  IconActivity,
  IconAlertTriangle,
  IconBookmark,
  IconChartBar,
  IconInbox,
  IconLayoutKanban,
  IconMenu2,
  IconPlus,
  IconSettings,
  IconTicket,
  IconUser,
  IconUserQuestion,
  IconUsers,
  IconX,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Navigate, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { resume, signOut } from "../api/auth";
import { countQuery, deskQuery, isAway, preferencesQuery } from "../api/queries";
import type { User } from "../api/types";
import { useText } from "../i18n";
import { useAnnouncement } from "../lib/announce";
import { colorsAre } from "../lib/colors";
import { useKeys } from "../lib/keys";
import { isForUs } from "../lib/links";
import { live } from "../lib/live";
import { told } from "../lib/notify";
import { savePreferences } from "../lib/preferences";
import { BUILT_IN, parse } from "../lib/search";
import { useSession } from "../lib/use-session";
import { home, inboxAddress, router } from "../router";
import { Confirm } from "./confirm";
import { KeyHelp } from "./key-help";
import { Dropdown, Later } from "./later";
import { openPalette } from "./palette";
import { Picker } from "./picker";
import { Bones } from "./states";

const SignIn = lazy(() => import("../pages/sign-in").then((page) => ({ default: page.SignIn })));

const VIEW_ICONS = { mine: IconUser, unassigned: IconUserQuestion, all: IconInbox, overdue: IconAlertTriangle } as const;

function Count({ query }: { query: string }) {
  const { data } = useQuery(countQuery(parse(query).params));
  if (!data) return null;
  return (
    <span className="nav-count">
      {data.total}
      {data.capped && "+"}
    </span>
  );
}

function NavLink(props: {
  to: string;
  active: boolean;
  icon: ReactNode;
  children: ReactNode;
  end?: ReactNode;
  onGo: () => void;
}) {
  return (
    <li className="nav-row">
      <a
        href={props.to}
        className={`nav-link ${props.active ? "nav-active" : ""}`}
        aria-current={props.active ? "page" : undefined}
        onClick={(event) => {
          if (isForUs(event)) void router.navigate({ href: props.to });
          props.onGo();
        }}
      >
        {props.icon}
        <span className="nav-text">{props.children}</span>
      </a>
      {props.end}
    </li>
  );
}

function Navigation({ user, onGo }: { user: User; onGo: () => void }) {
  const { t } = useText();
  const place = useLocation();
  const search = place.search as { q?: string };
  const staff = user.role !== "user";
  const at = (path: string) => place.pathname === path || place.pathname.startsWith(`${path}/`);
  const shown = search.q ?? "status:active";
  const preferences = useQuery({ ...preferencesQuery(), enabled: staff });
  const saved = preferences.data?.saved_views ?? [];
  const size = 16;
  const drop = async (name: string) => {
    await savePreferences({ saved_views: saved.filter((view) => view.name !== name) });
    told(t("view.deleted"));
  };

  if (!staff) {
    return (
      <ul className="nav-list">
        <NavLink to="/tickets" active={place.pathname === "/tickets"} icon={<IconTicket size={size} aria-hidden />} onGo={onGo}>
          {t("nav.my_tickets")}
        </NavLink>
        <NavLink to="/new" active={at("/new")} icon={<IconPlus size={size} aria-hidden />} onGo={onGo}>
          {t("nav.new_ticket")}
        </NavLink>
        <NavLink to="/settings" active={at("/settings")} icon={<IconSettings size={size} aria-hidden />} onGo={onGo}>
          {t("nav.settings")}
        </NavLink>
      </ul>
    );
  }
  return (
    <>
      <h2 className="nav-title">{t("nav.inbox")}</h2>
      <ul className="nav-list">
        {BUILT_IN.map((view) => {
          const Icon = VIEW_ICONS[view.id];
          return (
            <NavLink
              key={view.id}
              to={inboxAddress(view.query)}
              active={place.pathname === "/inbox" && shown === view.query}
              icon={<Icon size={size} aria-hidden />}
              end={
                <Later>
                  <Count query={view.query} />
                </Later>
              }
              onGo={onGo}
            >
              {t(`view.${view.id}`)}
            </NavLink>
          );
        })}
        {saved.map((view) => (
          <NavLink
            key={view.name}
            to={inboxAddress(view.query, view.sort)}
            active={place.pathname === "/inbox" && shown === view.query && !BUILT_IN.some((one) => one.query === view.query)}
            icon={<IconBookmark size={size} aria-hidden />}
            onGo={onGo}
            end={
              <ActionIcon
                variant="subtle"
                color="gray"
                size="sm"
                className="nav-drop"
                aria-label={t("view.delete", { name: view.name })}
                onClick={() => void drop(view.name)}
              >
                <IconX size={13} aria-hidden />
              </ActionIcon>
            }
          >
            {view.name}
          </NavLink>
        ))}
        <NavLink to="/board" active={at("/board")} icon={<IconLayoutKanban size={size} aria-hidden />} onGo={onGo}>
          {t("nav.board")}
        </NavLink>
      </ul>
      <ul className="nav-list nav-apart">
        <NavLink to="/dashboard" active={at("/dashboard")} icon={<IconChartBar size={size} aria-hidden />} onGo={onGo}>
          {t("nav.dashboard")}
        </NavLink>
        {user.role === "admin" && (
          <>
            <NavLink to="/people" active={at("/people")} icon={<IconUsers size={size} aria-hidden />} onGo={onGo}>
              {t("nav.people")}
            </NavLink>
            <NavLink to="/activity" active={at("/activity")} icon={<IconActivity size={size} aria-hidden />} onGo={onGo}>
              {t("nav.activity")}
            </NavLink>
          </>
        )}
        <NavLink to="/settings" active={at("/settings")} icon={<IconSettings size={size} aria-hidden />} onGo={onGo}>
          {t("nav.settings")}
        </NavLink>
      </ul>
    </>
  );
}

function Account({ user }: { user: User }) {
  const { t } = useText();
  const navigate = useNavigate();
  const initials = user.full_name
    .split(/\s+/)
    .map((word) => word[0])
    .filter((_, n, all) => n === 0 || n === all.length - 1)
    .join("")
    .toUpperCase();
  return (
    <Dropdown
      position="top-start"
      width={220}
      button={
        <UnstyledButton className="account">
          <span className="avatar" aria-hidden>
            {initials}
          </span>
          <span className="account-name">{user.full_name}</span>
        </UnstyledButton>
      }
    >
      <Menu.Label>{user.email}</Menu.Label>
      <Menu.Item onClick={() => void navigate({ to: "/settings/{-$tab}", params: {} })}>{t("nav.settings")}</Menu.Item>
      <Menu.Item onClick={() => KeyHelp.open()}>{t("nav.keys")}</Menu.Item>
      <Menu.Divider />
      <Menu.Item
        onClick={async () => {
          await signOut();
          await navigate({ to: "/" });
        }}
      >
        {t("nav.sign_out")}
      </Menu.Item>
    </Dropdown>
  );
}

/** Says that the desk is away, while it is. */
function Away() {
  const { t } = useText();
  const state = useSyncExternalStore(live.subscribe, live.state);
  if (state !== "away") return null;
  return (
    <div className="away" role="status">
      {t("app.offline")}
    </div>
  );
}

function Inside({ user }: { user: User }) {
  const { t } = useText();
  const navigate = useNavigate();
  const place = useLocation();
  const desk = useQuery(deskQuery());
  const [menu, setMenu] = useState(false);
  const announcement = useAnnouncement();
  const main = useRef<HTMLElement>(null);

  // Mantine would stop transitions by a <style> written through innerHTML, which Trusted Types forbid.
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });

  useEffect(() => colorsAre(setColorScheme), [setColorScheme]);
  const theme = useQuery(preferencesQuery()).data?.theme;
  useEffect(() => {
    if (theme) setColorScheme(theme);
  }, [theme, setColorScheme]);

  useKeys({
    c: () => void navigate({ to: "/new" }),
    "?": () => KeyHelp.open(),
    "/": () => {
      const box = document.querySelector<HTMLInputElement>("[data-search]");
      if (box) {
        box.focus();
        box.setSelectionRange(box.value.length, box.value.length);
      } else {
        void navigate({ to: home() });
      }
    },
  });

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        openPalette(user, (to) => void navigate(to as never));
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [user, navigate]);

  if (place.pathname === "/") return <Navigate to={home()} search={{}} replace />;

  const brand = desk.data?.organisation_name ?? "Taquilla";
  return (
    <div className="shell">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t("app.skip")}
      </a>
      <nav className="side" aria-label={t("nav.main")}>
        <p className="brand">{brand}</p>
        <Navigation user={user} onGo={() => {}} />
        <div className="side-end">
          <Account user={user} />
        </div>
      </nav>
      <header className="phone-bar">
        <ActionIcon variant="subtle" color="gray" size={44} aria-label={t("app.menu")} onClick={() => setMenu(true)}>
          <IconMenu2 size={20} aria-hidden />
        </ActionIcon>
        <span className="brand">{brand}</span>
        <ActionIcon component={Link} to="/new" variant="subtle" size={44} aria-label={t("nav.new_ticket")}>
          <IconPlus size={20} aria-hidden />
        </ActionIcon>
      </header>
      <Later>
        <Drawer
          opened={menu}
          onClose={() => setMenu(false)}
          title={brand}
          size={280}
          transitionProps={{ duration: 100 }}
          closeButtonProps={{ "aria-label": t("app.menu"), size: 44 }}
        >
          <nav className="side-in-drawer" aria-label={t("nav.main")}>
            <Navigation user={user} onGo={() => setMenu(false)} />
            <Account user={user} />
          </nav>
        </Drawer>
      </Later>
      <main className="main" id="main" ref={main} tabIndex={-1}>
        <Away />
        <Outlet />
      </main>
      <Picker />
      <Later>
        <KeyHelp />
        <Confirm />
      </Later>
      <div className="visually-hidden" aria-live="polite" data-live>
        {announcement}
      </div>
    </div>
  );
}

/** The app for whoever is signed in; the sign-in form for everybody else. */
export function Shell() {
  const state = useSession();
  const { t } = useText();
  const [away, setAway] = useState(false);

  useEffect(() => {
    if (state.kind !== "unknown") return;
    let stopped = false;
    let timer: ReturnType<typeof setTimeout>;
    const attempt = () =>
      resume().catch((error) => {
        if (stopped) return;
        setAway(isAway(error));
        timer = setTimeout(attempt, 2_000);
      });
    void attempt();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [state.kind]);

  if (state.kind === "in") return <Inside key={state.user.id} user={state.user} />;
  if (state.kind === "out") {
    return (
      <Suspense>
        <SignIn />
      </Suspense>
    );
  }
  return (
    <main className="page">
      {away && (
        <div className="away" role="status">
          {t("app.offline")}
        </div>
      )}
      <Bones />
    </main>
  );
}
