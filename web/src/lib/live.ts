// The live stream: one tab holds it and tells the others. Events say what is out of date; nothing is taken from them.

import { authorized } from "../api/client";
import { outOfDate } from "../api/queries";
import { session } from "../api/session";
import { unheard } from "./unheard";

/** What an event says, without the change itself. */
export interface LiveEvent {
  seq: number;
  action: string;
  ticket_id: number | null;
  user_id: number | null;
  actor: { id: number | null; name: string };
}

type Listener = (event: LiveEvent) => void;

/** What the tabs tell each other: an event, how the stream is, or the question how it is. */
type Word = { event: LiveEvent } | { connection: Connection; lastId: string } | "connection?";

const listeners = new Set<Listener>();
let lastId = "";
/** Whether this tab holds the stream. */
let holding = false;
const channel = new BroadcastChannel("taquilla.live");
const tell = (word: Word) => channel.postMessage(word);
channel.onmessage = ({ data }: MessageEvent<Word>) => {
  if (data === "connection?") {
    if (holding) tell({ connection, lastId });
  } else if ("event" in data) {
    deliver(data.event);
  } else if (!holding && session.token() !== undefined) {
    lastId = data.lastId || lastId;
    if (connection === "away" && data.connection === "on") missed();
    become(data.connection);
  }
};

/** Calls `listener` for each event until the returned function is called. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  for (const event of unheard.takeEvents()) listener(event);
  return () => listeners.delete(listener);
}

function deliver(event: LiveEvent): void {
  // Whichever tab takes the stream over goes on from here.
  lastId = String(event.seq);
  if (event.ticket_id !== null) {
    outOfDate({ queryKey: ["ticket", event.ticket_id] });
    soon("counts", () => {
      outOfDate({ queryKey: ["tickets", "count"] });
      outOfDate({ queryKey: ["board"] });
      outOfDate({ queryKey: ["dashboard"] });
      outOfDate({ queryKey: ["mine"] });
    });
  }
  if (event.action.startsWith("user.")) soon("users", () => outOfDate({ queryKey: ["users"] }));
  if (event.action === "settings.updated") {
    outOfDate({ queryKey: ["settings"] });
    outOfDate({ queryKey: ["desk"] });
  }
  soon("log", () => outOfDate({ queryKey: ["activity"] }));
  for (const listener of listeners) listener(event);
  if (listeners.size === 0) unheard.event(event);
}

const timers = new Map<string, ReturnType<typeof setTimeout>>();

/** Does something once for many events that come together. */
export function soon(name: string, work: () => void): void {
  if (timers.has(name)) return;
  timers.set(
    name,
    setTimeout(() => {
      timers.delete(name);
      work();
    }, 250),
  );
}

/** Takes the events out of a stream of text; what is incomplete is kept for the next piece. */
export function events(buffer: string): { found: string[]; rest: string } {
  const blocks = buffer.split(/\r?\n\r?\n/);
  const rest = blocks.pop() ?? "";
  const found = blocks.flatMap((block) => {
    const field = (name: string) =>
      block
        .split(/\r?\n/)
        .filter((line) => line.startsWith(`${name}:`))
        .map((line) => line.slice(name.length + 1).replace(/^ /, ""))
        .join("\n");
    const data = field("data");
    return data ? [data] : [];
  });
  return { found, rest };
}

/** The state of the stream, for the notice that the desk is away. */
export type Connection = "off" | "on" | "away";
let connection: Connection = "off";
const watchers = new Set<() => void>();

export const live = {
  state: () => connection,
  subscribe(watcher: () => void) {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};

function become(next: Connection): void {
  if (connection === next) return;
  connection = next;
  if (holding) tell({ connection, lastId });
  for (const watcher of watchers) watcher();
}

const gapListeners = new Set<() => void>();

/** Calls `listener` when something may have happened that no event told, until the returned function is called. */
export function onGap(listener: () => void): () => void {
  gapListeners.add(listener);
  if (unheard.takeGap()) listener();
  return () => gapListeners.delete(listener);
}

/** Has everything but the lists asked again: something may have happened while there was no stream. */
function missed(): void {
  outOfDate({ predicate: (query) => query.queryKey[1] !== "list" });
  for (const listener of gapListeners) listener();
  if (gapListeners.size === 0) unheard.gap();
}

async function read(signal: AbortSignal): Promise<void> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (lastId) headers["Last-Event-ID"] = lastId;
  const answer = await authorized(new Request("/api/v1/events", { headers, signal, cache: "no-store" }));
  if (!answer.ok || !answer.body) throw new Refused(answer.status);
  become("on");
  // Without a place in the log the stream begins now; what happened since the page asked would be lost.
  if (!lastId) missed();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { found, rest } = events(buffer + value);
    buffer = rest;
    for (const data of found) {
      const event = JSON.parse(data) as LiveEvent;
      tell({ event });
      deliver(event);
    }
  }
}

class Refused extends Error {
  readonly status: number;
  constructor(status: number) {
    super();
    this.status = status;
  }
}

const wait = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((done) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });

let stop: (() => void) | undefined;

/** Follows the stream until somebody signs out. Resolves when it has begun, or when there is none for now. */
export function begin(): Promise<void> {
  stop ??= follow();
  if (connection !== "off") return Promise.resolve();
  return new Promise((done) => {
    const begun = () => {
      watchers.delete(begun);
      done();
    };
    watchers.add(begun);
  });
}

session.subscribe(() => {
  if (session.get().kind !== "out") return;
  stop?.();
  stop = undefined;
  unheard.forget();
});

/** Follows the stream while there is a session; of all tabs, one at a time does. */
function follow(): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  const hold = async () => {
    holding = true;
    let pause = 500;
    while (!signal.aborted && session.token() !== undefined) {
      try {
        await read(signal);
        pause = 500;
      } catch (error) {
        if (signal.aborted) return;
        const status = error instanceof Refused ? error.status : 0;
        // An older desk without live events: everything else works.
        if (status === 404) return become("off");
        if (status !== 401) become("away");
        pause = Math.min(pause * 2, 10_000);
      }
      await wait(pause, signal);
      if (!signal.aborted) missed();
    }
  };
  const released = () => {
    holding = false;
  };
  navigator.locks.request("taquilla.live", { signal }, () => hold().finally(released)).catch(() => undefined);
  tell("connection?");
  return () => {
    ended.abort();
    holding = false;
    become("off");
  };
}
