import { Button, CopyButton, Modal, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, body } from "../../api/client";
import { queryClient, tokensQuery } from "../../api/queries";
import type { ApiToken } from "../../api/types";
import { useText } from "../../i18n";
import { explain, failed, fieldTexts, told } from "../../lib/notify";
import { absolute } from "../../lib/time";
import { confirm } from "../../parts/confirm";
import { Ago } from "../../parts/marks";
import { Bones, Empty, Failed } from "../../parts/states";

export function Tokens() {
  const { t, locale } = useText();
  const tokens = useQuery(tokensQuery());
  const [making, setMaking] = useState(false);
  const revoke = async (one: ApiToken) => {
    if (!(await confirm(t("settings.token_revoke_of", { name: one.name }), t("settings.token_revoke")))) return;
    try {
      await body(api.DELETE("/api/v1/auth/tokens/{id}", { params: { path: { id: one.id } } }));
      told(t("settings.token_revoked"));
    } catch (error) {
      failed(error);
    }
    void queryClient.invalidateQueries({ queryKey: ["tokens"] });
  };
  if (tokens.isError && !tokens.data) return <Failed error={tokens.error} retry={() => void tokens.refetch()} />;
  if (!tokens.data) return <Bones rows={3} />;
  return (
    <div className="stack">
      <div className="actions">
        <Button size="xs" onClick={() => setMaking(true)}>
          {t("settings.token_new")}
        </Button>
      </div>
      {tokens.data.length === 0 ? (
        <Empty title={t("settings.token_empty")} />
      ) : (
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t("settings.token_name")}</th>
              <th scope="col">{t("settings.last_used")}</th>
              <th scope="col" className="wide">
                {t("settings.token_expires")}
              </th>
              <th scope="col">
                <span className="visually-hidden">{t("settings.token_revoke")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {tokens.data.map((one) => (
              <tr key={one.id}>
                <td>{one.name}</td>
                <td>{one.last_used_at ? <Ago at={one.last_used_at} /> : t("settings.token_never")}</td>
                <td className="wide">{one.expires_at ? absolute(one.expires_at, locale) : t("settings.token_never")}</td>
                <td className="table-end">
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={t("settings.token_revoke_of", { name: one.name })}
                    onClick={() => void revoke(one)}
                  >
                    {t("settings.token_revoke")}
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {making && <NewToken onClose={() => setMaking(false)} />}
    </div>
  );
}

function NewToken({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  const [secret, setSecret] = useState<string>();
  const [fault, setFault] = useState<string>();
  const [busy, setBusy] = useState(false);
  const form = useForm({ initialValues: { name: "", expires: "" } });
  const submit = form.onSubmit(async ({ name, expires }) => {
    setBusy(true);
    setFault(undefined);
    try {
      // The day's end where the person is.
      const expires_at = expires ? new Date(`${expires}T23:59:59`).toISOString() : null;
      const made = await body(api.POST("/api/v1/auth/tokens", { body: { name, ...(expires_at ? { expires_at } : {}) } }));
      setSecret(made.token);
      void queryClient.invalidateQueries({ queryKey: ["tokens"] });
    } catch (error) {
      const { expires_at, ...fields } = fieldTexts(error, t);
      form.setErrors({ ...fields, ...(expires_at ? { expires: expires_at } : {}) });
      if (!expires_at && Object.keys(fields).length === 0) setFault(explain(error, t));
    }
    setBusy(false);
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("settings.token_new")}
      closeOnClickOutside={secret === undefined}
      closeButtonProps={{ "aria-label": t("settings.done") }}
    >
      {secret === undefined ? (
        <form onSubmit={submit} className="stack" noValidate>
          {fault && (
            <p className="fault" role="alert">
              {fault}
            </p>
          )}
          <TextInput label={t("settings.token_name")} maxLength={100} data-autofocus {...form.getInputProps("name")} />
          <TextInput label={t("settings.token_expires")} type="date" {...form.getInputProps("expires")} />
          <div className="actions actions-end">
            <Button type="submit" loading={busy}>
              {t("settings.token_create")}
            </Button>
          </div>
        </form>
      ) : (
        <div className="stack">
          <p>{t("settings.token_secret")}</p>
          <code className="query">{secret}</code>
          <div className="actions actions-end">
            <CopyButton value={secret}>
              {({ copied, copy }) => (
                <Button variant="default" onClick={copy}>
                  {t(copied ? "settings.token_copied" : "settings.token_copy")}
                </Button>
              )}
            </CopyButton>
            <Button onClick={onClose}>{t("settings.done")}</Button>
          </div>
        </div>
      )}
    </Modal>
  );
}
