import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";
import { session } from "./api/session";
import { InboxPage } from "./pages/inbox/inbox";
import { Shell } from "./parts/shell";
import { Broken, Missing } from "./parts/states";

export interface ListSearch {
  q?: string;
  sort?: string;
}

const listSearch = (search: Record<string, unknown>): ListSearch => ({
  ...(typeof search.q === "string" ? { q: search.q } : {}),
  ...(typeof search.sort === "string" ? { sort: search.sort } : {}),
});

const root = createRootRoute({ component: Outlet, notFoundComponent: Missing, errorComponent: Broken });

const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  component: lazyRouteComponent(() => import("./pages/setup"), "SetupPage"),
});
const register = createRoute({
  getParentRoute: () => root,
  path: "/register",
  component: lazyRouteComponent(() => import("./pages/register"), "RegisterPage"),
});

/** Everything that needs a session: without one the sign-in form stands in its place, at the same address. */
const app = createRoute({ getParentRoute: () => root, id: "app", component: Shell, errorComponent: Broken });

const start = createRoute({ getParentRoute: () => app, path: "/", component: () => null });
const inbox = createRoute({ getParentRoute: () => app, path: "/inbox", validateSearch: listSearch, component: InboxPage });
const board = createRoute({
  getParentRoute: () => app,
  path: "/board",
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import("./pages/board"), "BoardPage"),
});
const mine = createRoute({
  getParentRoute: () => app,
  path: "/tickets",
  validateSearch: (search: Record<string, unknown>): { show?: "done" | "all" } =>
    search.show === "done" || search.show === "all" ? { show: search.show } : {},
  component: lazyRouteComponent(() => import("./pages/my-tickets"), "MyTicketsPage"),
});
const ticketPage = lazyRouteComponent(() => import("./pages/ticket/ticket"), "TicketPage");
const ticket = createRoute({
  getParentRoute: () => app,
  path: "/tickets/$id",
  beforeLoad: ({ params }) => {
    if (!/^[1-9]\d{0,18}$/.test(params.id)) throw redirect({ to: "/" });
  },
  component: ticketPage,
});
const fresh = createRoute({
  getParentRoute: () => app,
  path: "/new",
  component: lazyRouteComponent(() => import("./pages/new-ticket"), "NewTicketPage"),
});
const dashboard = createRoute({
  getParentRoute: () => app,
  path: "/dashboard",
  validateSearch: (search: Record<string, unknown>): { days?: number } => {
    const days = Number(search.days);
    return Number.isInteger(days) && days >= 1 && days <= 365 ? { days } : {};
  },
  component: lazyRouteComponent(() => import("./pages/dashboard"), "DashboardPage"),
});
const people = createRoute({
  getParentRoute: () => app,
  path: "/people",
  component: lazyRouteComponent(() => import("./pages/people"), "PeoplePage"),
});
const activity = createRoute({
  getParentRoute: () => app,
  path: "/activity",
  component: lazyRouteComponent(() => import("./pages/activity"), "ActivityPage"),
});
const settings = createRoute({
  getParentRoute: () => app,
  path: "/settings/{-$tab}",
  component: lazyRouteComponent(() => import("./pages/settings/settings"), "SettingsPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    setup,
    register,
    app.addChildren([start, inbox, board, mine, ticket, fresh, dashboard, people, activity, settings]),
  ]),
  defaultPreload: false,
  // Addresses are read and shared by people: plain words, no JSON.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
    const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
    return text ? `?${text.replaceAll("%3A", ":").replaceAll("%2C", ",")}` : "";
  },
  defaultNotFoundComponent: Missing,
  defaultErrorComponent: Broken,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** Fetches the page of a ticket when there is nothing else to do: somebody who looks at a list opens one. */
export function ticketPageAhead(): void {
  // Safari has no idle callbacks.
  const later = window.requestIdleCallback ?? ((work: () => void) => setTimeout(work, 200));
  later(() => void ticketPage.preload?.());
}

/** Where a list of the inbox is. */
export function inboxAddress(q: string, sort?: string): string {
  return `/inbox${router.options.stringifySearch({ q, sort })}`;
}

/** Where somebody lands. */
export function home(): "/inbox" | "/tickets" {
  const state = session.get();
  return state.kind === "in" && state.user.role !== "user" ? "/inbox" : "/tickets";
}
