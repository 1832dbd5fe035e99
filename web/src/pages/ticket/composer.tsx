// Writing a reply or a note. What is written stays until the desk has it.

import { Button, Tabs } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { api, body } from "../../api/client";
import { isAway } from "../../api/queries";
import { stale } from "../../api/tickets";
import type { Ticket } from "../../api/types";
import { useText } from "../../i18n";
import { announce } from "../../lib/announce";
import { composer, type Kind } from "../../lib/compose";
import { draft } from "../../lib/draft";
import { explain } from "../../lib/notify";
import { useMe } from "../../lib/use-session";
import { MentionBox } from "../../parts/mention-box";
import { Prose } from "../../parts/prose";
import type { Rights } from "./ticket";

const RETRY = 2_000;

/** Sends a comment, as often as it takes until the desk has it; the key makes it one comment. */
async function deliver(id: number, content: string, internal: boolean, queued: () => void, gone: AbortSignal): Promise<void> {
  const key = crypto.randomUUID();
  for (;;) {
    try {
      await body(
        api.POST("/api/v1/tickets/{id}/comments", {
          params: { path: { id }, header: { "Idempotency-Key": key } as never },
          body: { content, is_internal: internal },
        }),
      );
      return;
    } catch (error) {
      if (!isAway(error) || gone.aborted) throw error;
      queued();
      await new Promise((again) => setTimeout(again, RETRY));
      if (gone.aborted) throw error;
    }
  }
}

interface Props {
  ticket: Ticket;
  rights: Rights;
  /** Who may be mentioned. */
  names: readonly string[];
  onResolve: () => Promise<boolean>;
}

export function Composer(props: Props) {
  const { t } = useText();
  const me = useMe();
  const { ticket, rights } = props;
  const [kind, setKind] = useState<Kind>(rights.staff && ticket.status === "closed" ? "note" : "reply");
  const name = (one: Kind) => `${me.id}.${ticket.id}.${one}`;
  const [texts, setTexts] = useState(() => ({ reply: draft.get(name("reply")), note: draft.get(name("note")) }));
  const [preview, setPreview] = useState<string>();
  const [state, setState] = useState<"idle" | "sending" | "queued">("idle");
  const [fault, setFault] = useState<string>();
  const box = useRef<HTMLTextAreaElement>(null);
  const gone = useRef(new AbortController());
  const text = texts[kind];
  const note = kind === "note";

  useEffect(() => {
    gone.current = new AbortController();
    const { current } = gone;
    const leave = composer((kind) => {
      setKind(kind);
      setPreview(undefined);
      requestAnimationFrame(() => box.current?.focus());
    });
    return () => {
      current.abort();
      leave();
    };
  }, []);

  const write = (next: string) => {
    setTexts((before) => ({ ...before, [kind]: next }));
    draft.set(name(kind), next);
    setFault(undefined);
  };

  const send = async (resolve: boolean) => {
    if (!text.trim() || state !== "idle") return;
    setState("sending");
    setFault(undefined);
    try {
      await deliver(ticket.id, text, note, () => setState("queued"), gone.current.signal);
      draft.set(name(kind), "");
      setTexts((before) => ({ ...before, [kind]: "" }));
      setPreview(undefined);
      announce(t("ticket.sent"));
      if (resolve) await props.onResolve();
      stale(ticket.id);
    } catch (error) {
      setFault(explain(error, t));
    }
    setState("idle");
  };

  const togglePreview = async () => {
    if (preview !== undefined) return setPreview(undefined);
    try {
      setPreview((await body(api.POST("/api/v1/markdown", { body: { text } }))).html);
    } catch (error) {
      setFault(explain(error, t));
    }
  };

  const mayResolve = !note && rights.finish && ticket.status !== "resolved";
  const label = t(note ? "ticket.note_label" : "ticket.reply_label");
  const field = (
    <div className="composer-field">
      {preview === undefined ? (
        <MentionBox
          ref={box}
          names={props.names.filter((name) => name !== me.full_name)}
          aria-label={label}
          placeholder={t(note ? "ticket.note_placeholder" : "ticket.reply_placeholder")}
          className="grows"
          rows={2}
          maxLength={65_536}
          value={text}
          readOnly={state !== "idle"}
          onWrite={write}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              void send(event.shiftKey && mayResolve);
            }
            if (event.key === "Escape") event.currentTarget.blur();
          }}
        />
      ) : (
        <Prose html={preview || `<p>${t("ticket.preview_empty")}</p>`} className="composer-preview" names={props.names} />
      )}
    </div>
  );
  return (
    <section className={`composer ${note ? "composer-note" : ""}`} aria-label={label}>
      {rights.staff ? (
        <Tabs value={kind} onChange={(value) => setKind(value as Kind)} keepMounted={false}>
          <Tabs.List>
            <Tabs.Tab value="reply" disabled={ticket.status === "closed"}>
              {t("ticket.reply")}
            </Tabs.Tab>
            <Tabs.Tab value="note">{t("ticket.note")}</Tabs.Tab>
            {note && <span className="dim composer-hint">{t("ticket.note_hint")}</span>}
          </Tabs.List>
          <Tabs.Panel value={kind}>{field}</Tabs.Panel>
        </Tabs>
      ) : (
        <>
          <h2 className="composer-title">{t("ticket.reply")}</h2>
          {field}
        </>
      )}
      {state === "queued" && (
        <p className="queued" role="status">
          {t("ticket.queued")}
        </p>
      )}
      {fault && (
        <p className="fault" role="alert">
          {fault}
        </p>
      )}
      <div className="actions actions-end">
        {text && state === "idle" && <span className="dim">{t("ticket.draft")}</span>}
        <Button size="xs" variant="default" onClick={togglePreview} disabled={!text.trim()}>
          {t(preview === undefined ? "ticket.preview" : "ticket.write")}
        </Button>
        {mayResolve && (
          <Button size="xs" variant="default" disabled={!text.trim() || state !== "idle"} onClick={() => void send(true)}>
            {t("ticket.send_resolve")}
          </Button>
        )}
        <Button
          size="xs"
          loading={state === "sending"}
          disabled={!text.trim() || state === "queued"}
          onClick={() => void send(false)}
        >
          {t(note ? "ticket.add_note" : "ticket.send")}
        </Button>
      </div>
    </section>
  );
}
