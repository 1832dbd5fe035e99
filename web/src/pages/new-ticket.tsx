import { Button, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDebouncedValue, useDocumentTitle } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { api, body } from "../api/client";
import { isAway, queryClient, requestersQuery } from "../api/queries";
import { PRIORITIES, type Priority } from "../api/types";
import { useText } from "../i18n";
import { draft } from "../lib/draft";
import { explain, fieldTexts, told } from "../lib/notify";
import { useMe } from "../lib/use-session";
import { PriorityIcon } from "../parts/marks";
import { Prose } from "../parts/prose";

interface Values {
  title: string;
  description: string;
  priority: Priority;
  tags: string[];
  creator_id: string | null;
}

const EMPTY: Values = { title: "", description: "", priority: "medium", tags: [], creator_id: null };

function kept(name: string): Values {
  try {
    return { ...EMPTY, ...(JSON.parse(draft.get(name) || "{}") as Partial<Values>) };
  } catch {
    return EMPTY;
  }
}

export function NewTicketPage() {
  const { t } = useText();
  const me = useMe();
  const navigate = useNavigate();
  const name = `${me.id}.new`;
  const staff = me.role !== "user";
  const form = useForm<Values>({
    initialValues: kept(name),
    onValuesChange: (values) => draft.set(name, values.title || values.description ? JSON.stringify(values) : ""),
  });
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const [preview, setPreview] = useState<string>();
  const [find, setFind] = useState("");
  const [sought] = useDebouncedValue(find, 200);
  const found = useQuery({ ...requestersQuery(sought), enabled: staff });
  // One key for one ticket, however often it is sent.
  const key = useRef(crypto.randomUUID());
  useDocumentTitle(`${t("new.title")} · Taquilla`);
  useEffect(() => document.querySelector<HTMLInputElement>("[data-first]")?.focus(), []);

  const submit = form.onSubmit(async (values) => {
    setFault(undefined);
    const { creator_id, ...fields } = values;
    const missing = {
      ...(values.title.trim() ? {} : { title: t("fault.missing") }),
      ...(values.description.trim() ? {} : { description: t("fault.missing") }),
    };
    if (Object.keys(missing).length > 0) return form.setErrors(missing);
    setBusy(true);
    try {
      const ticket = await body(
        api.POST("/api/v1/tickets", {
          params: { header: { "Idempotency-Key": key.current } as never },
          body: { ...fields, ...(creator_id ? { creator_id: Number(creator_id) } : {}) },
        }),
      );
      draft.set(name, "");
      void queryClient.resetQueries({ queryKey: ["tickets"] });
      void queryClient.invalidateQueries({ queryKey: ["mine"] });
      told(t("new.opened", { id: ticket.id }));
      await navigate({ to: "/tickets/$id", params: { id: String(ticket.id) } });
    } catch (error) {
      const faults = fieldTexts(error, t);
      form.setErrors(faults);
      if (Object.keys(faults).length === 0) setFault(explain(error, t));
      // What was refused may be mended and sent anew; what may have arrived must keep its key.
      if (!isAway(error)) key.current = crypto.randomUUID();
    }
    setBusy(false);
  });

  const togglePreview = async () => {
    if (preview !== undefined) return setPreview(undefined);
    try {
      setPreview((await body(api.POST("/api/v1/markdown", { body: { text: form.values.description } }))).html);
    } catch (error) {
      setFault(explain(error, t));
    }
  };

  return (
    <div className="page page-narrow">
      <h1>{t("new.title")}</h1>
      <form onSubmit={submit} className="stack" noValidate>
        {fault && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        <TextInput
          data-first
          label={t("field.title")}
          description={t("new.title_hint")}
          required
          maxLength={200}
          {...form.getInputProps("title")}
        />
        {preview === undefined ? (
          <Textarea
            label={t("field.description")}
            description={t("new.description_hint")}
            required
            className="grows"
            rows={6}
            maxLength={65_536}
            {...form.getInputProps("description")}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
            }}
          />
        ) : (
          <section aria-label={t("ticket.preview")}>
            <p className="label">{t("field.description")}</p>
            <Prose html={preview} className="composer-preview" />
          </section>
        )}
        <div className="pair">
          <Select
            label={t("field.priority")}
            allowDeselect={false}
            leftSection={<PriorityIcon priority={form.values.priority} />}
            data={PRIORITIES.map((priority) => ({ value: priority, label: t(`priority.${priority}`) }))}
            {...form.getInputProps("priority")}
          />
          <TagsInput label={t("field.tags")} maxTags={20} splitChars={[","]} {...form.getInputProps("tags")} />
        </div>
        {staff && (
          <Select
            label={t("new.for")}
            placeholder={t("new.for_hint")}
            clearable
            clearButtonProps={{ "aria-label": t("bulk.clear") }}
            searchable
            searchValue={find}
            onSearchChange={setFind}
            filter={({ options }) => options}
            data={(found.data ?? []).map((one) => ({ value: String(one.id), label: `${one.full_name} · ${one.email}` }))}
            {...form.getInputProps("creator_id")}
          />
        )}
        <div className="actions actions-end">
          {(form.values.title || form.values.description) && <span className="dim">{t("ticket.draft")}</span>}
          <Button variant="default" onClick={togglePreview} disabled={!form.values.description.trim()}>
            {t(preview === undefined ? "ticket.preview" : "ticket.write")}
          </Button>
          <Button type="submit" loading={busy}>
            {t("new.submit")}
          </Button>
        </div>
      </form>
    </div>
  );
}
