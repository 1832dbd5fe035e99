import { Button, Modal, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { preferencesQuery } from "../../api/queries";
import { useText } from "../../i18n";
import { explain, told } from "../../lib/notify";
import { savePreferences } from "../../lib/preferences";

export function SaveView({ query, sort, onClose }: { query: string; sort: string; onClose: () => void }) {
  const { t } = useText();
  const { data } = useQuery(preferencesQuery());
  const [name, setName] = useState("");
  const [fault, setFault] = useState<string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const views = data?.saved_views ?? [];
    const wanted = name.trim();
    if (!wanted) return setFault(t("fault.missing"));
    if (views.some((view) => view.name.toLowerCase() === wanted.toLowerCase())) return setFault(t("view.name_taken"));
    try {
      await savePreferences({ saved_views: [...views, { name: wanted, query, sort }] });
      told(t("view.saved"));
      onClose();
    } catch (error) {
      setFault(explain(error, t));
    }
  };
  return (
    <Modal opened onClose={onClose} title={t("view.save_title")} closeButtonProps={{ "aria-label": t("ticket.cancel") }}>
      <form onSubmit={submit} className="stack">
        <TextInput
          label={t("view.name")}
          maxLength={100}
          data-autofocus
          value={name}
          error={fault}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <code className="query">{query}</code>
        <Button type="submit">{t("view.save")}</Button>
      </form>
    </Modal>
  );
}
