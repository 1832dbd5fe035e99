// Signing in and out.

import { chooseLocale } from "../i18n";
import { api, body, open, refresh } from "./client";
import { queryClient } from "./queries";
import { session } from "./session";

/** Other tabs of this browser hear of sign-in and sign-out. */
const tabs = new BroadcastChannel("taquilla.session");
tabs.onmessage = (event) => {
  if (event.data === "out") session.signedOut();
  if (event.data === "in" && session.get().kind !== "in") void resume();
};

async function enter(): Promise<void> {
  const user = await body(api.GET("/api/v1/auth/me"));
  chooseLocale(user.locale);
  session.signedIn(user);
}

export async function signIn(username: string, password: string): Promise<void> {
  const pair = await body(
    open.POST("/api/v1/auth/login", {
      params: { query: { session: "cookie" } as never },
      body: { username, password } as never,
    }),
  );
  session.setToken(pair.access_token);
  queryClient.clear();
  await enter();
  tabs.postMessage("in");
}

export async function signOut(): Promise<void> {
  await api.POST("/api/v1/auth/logout").catch(() => undefined);
  session.signedOut();
  queryClient.clear();
  tabs.postMessage("out");
}

/** Goes on with the session that this browser had. Throws while the desk is away. */
export async function resume(): Promise<void> {
  if (!session.token() && !(await refresh())) {
    session.signedOut("expired");
    return;
  }
  await enter();
}
