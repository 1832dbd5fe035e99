import createClient from "openapi-fetch";
import type { paths } from "./schema";
import { session } from "./session";
import type { Problem } from "./types";

/** A refusal of the server, or no answer at all (status 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem | undefined;

  constructor(status: number, problem?: Problem) {
    super(problem?.detail ?? "");
    this.status = status;
    this.problem = problem;
  }

  /** What is wrong with each field. */
  fields(): Record<string, string> {
    return Object.fromEntries((this.problem?.errors ?? []).map((error) => [error.field, error.code]));
  }
}

let refreshing: Promise<boolean> | undefined;

/** Gets a new access token by the cookie; at most one call at a time, over all tabs. `false`: the session is over. */
export function refresh(): Promise<boolean> {
  refreshing ??= renew().finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

async function renew(): Promise<boolean> {
  return await navigator.locks.request("taquilla.refresh", async () => {
    const answer = await fetch("/api/v1/auth/refresh", { method: "POST" }).catch(() => undefined);
    if (!answer || answer.status >= 500 || answer.status === 429) throw new ApiError(answer?.status ?? 0);
    if (!answer.ok) return false;
    session.setToken(((await answer.json()) as { access_token: string }).access_token);
    return true;
  });
}

/** `fetch` with the access token, which is renewed when it has expired. */
export async function authorized(request: Request): Promise<Response> {
  const spare = request.clone();
  const send = (one: Request) => {
    const token = session.token();
    if (token) one.headers.set("Authorization", `Bearer ${token}`);
    return fetch(one);
  };
  if (!session.token() && session.hinted() && !(await refresh())) {
    session.signedOut("expired");
  }
  const answer = await send(request);
  if (answer.status !== 401 || !session.token()) return answer;
  if (await refresh()) return send(spare);
  session.signedOut("expired");
  return answer;
}

/** The API, by its document. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: authorized });

/** The API without a token: what strangers may call. */
export const open = createClient<paths>({ baseUrl: location.origin });

interface Result<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body and headers of an answer, or an `ApiError`. */
export async function full<T>(call: Promise<Result<T>>): Promise<{ data: T; headers: Headers }> {
  let result: Result<T>;
  try {
    result = await call;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0);
  }
  if (!result.response.ok) {
    const problem = result.error;
    throw new ApiError(result.response.status, typeof problem === "object" ? (problem as Problem) : undefined);
  }
  return { data: result.data as T, headers: result.response.headers };
}

/** The body of an answer, or an `ApiError`. */
export async function body<T>(call: Promise<Result<T>>): Promise<T> {
  return (await full(call)).data;
}

/** The cursor of the next page. */
export function nextCursor(headers: Headers): string | undefined {
  const link = headers.get("Link")?.match(/<([^>]*)>; rel="next"/)?.[1];
  return link ? (new URL(link, location.origin).searchParams.get("cursor") ?? undefined) : undefined;
}
