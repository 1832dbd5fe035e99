// Accounts: find, make, change, disable.

import { ActionIcon, Button, Menu, Modal, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDebouncedValue, useDocumentTitle } from "@mantine/hooks";
import { IconDots, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Navigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, body } from "../api/client";
import { type PeopleParams, peopleQuery, queryClient } from "../api/queries";
import type { Role, User } from "../api/types";
import { useText } from "../i18n";
import { explain, failed, fieldTexts, told } from "../lib/notify";
import { useMe } from "../lib/use-session";
import { confirm } from "../parts/confirm";
import { Dropdown } from "../parts/later";
import { Ago } from "../parts/marks";
import { SecretInput } from "../parts/secret-input";
import { Bones, Empty, Failed } from "../parts/states";

const ROLES: readonly Role[] = ["user", "agent", "admin"];

type Dialog = { kind: "new" } | { kind: "edit" | "password"; user: User };

export function PeoplePage() {
  const { t } = useText();
  const me = useMe();
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text.trim(), 200);
  const [role, setRole] = useState("all");
  const [state, setState] = useState("all");
  const [dialog, setDialog] = useState<Dialog>();
  const params: PeopleParams = {
    ...(role === "all" ? {} : { role }),
    ...(state === "all" ? {} : { is_active: state === "active" }),
    ...(q ? { q } : {}),
  };
  const people = useQuery({ ...peopleQuery(params), enabled: me.role === "admin" });
  useDocumentTitle(`${t("people.title")} · Taquilla`);
  if (me.role !== "admin") return <Navigate to="/" replace />;

  const change = async (user: User, fields: Partial<Pick<User, "role" | "is_active">>) => {
    try {
      await body(
        api.PATCH("/api/v1/users/{id}", {
          params: { path: { id: user.id }, header: { "If-Match": `"${user.version}"` } },
          body: fields,
        }),
      );
      told(t("people.saved"));
    } catch (error) {
      failed(error);
    }
    await queryClient.invalidateQueries({ queryKey: ["users"] });
  };

  return (
    <div className="page">
      <header className="page-bar">
        <h1>{t("people.title")}</h1>
        <Button size="sm" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setDialog({ kind: "new" })}>
          {t("people.new")}
        </Button>
      </header>
      <div className="filters">
        <TextInput
          data-search
          aria-label={t("people.search")}
          placeholder={t("people.search")}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          className="filters-text"
        />
        <Select
          aria-label={t("people.role")}
          allowDeselect={false}
          value={role}
          onChange={(value) => setRole(value ?? "all")}
          data={[{ value: "all", label: t("people.any_role") }, ...ROLES.map((one) => ({ value: one, label: t(`role.${one}`) }))]}
        />
        <Select
          aria-label={t("people.state")}
          allowDeselect={false}
          value={state}
          onChange={(value) => setState(value ?? "all")}
          data={[
            { value: "all", label: t("people.any_state") },
            { value: "active", label: t("people.active") },
            { value: "disabled", label: t("people.disabled") },
          ]}
        />
      </div>
      {people.isPending && <Bones />}
      {people.isError && !people.data && <Failed error={people.error} retry={() => void people.refetch()} />}
      {people.data?.length === 0 && <Empty title={t("people.empty")} />}
      {people.data && people.data.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t("people.name")}</th>
              <th scope="col" className="wide">
                {t("people.email")}
              </th>
              <th scope="col">{t("people.role")}</th>
              <th scope="col">{t("people.state")}</th>
              <th scope="col" className="wide">
                {t("people.since")}
              </th>
              <th scope="col">
                <span className="visually-hidden">{t("people.actions_title")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {people.data.map((user) => (
              <tr key={user.id} className={user.is_active ? "" : "table-off"}>
                <td>
                  <span className="strong">{user.full_name}</span>
                  <span className="narrow dim">{user.email}</span>
                </td>
                <td className="wide">{user.email}</td>
                <td className="table-word">{t(`role.${user.role}`)}</td>
                <td className="table-word">{t(user.is_active ? "people.active" : "people.disabled")}</td>
                <td className="wide">
                  <Ago at={user.created_at} />
                </td>
                <td className="table-end">
                  <Dropdown
                    position="bottom-end"
                    width={190}
                    button={
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        size={32}
                        aria-label={t("people.actions", { name: user.full_name })}
                      >
                        <IconDots size={16} aria-hidden />
                      </ActionIcon>
                    }
                  >
                    <Menu.Item onClick={() => setDialog({ kind: "edit", user })}>{t("people.edit")}</Menu.Item>
                    <Menu.Item onClick={() => setDialog({ kind: "password", user })}>{t("people.reset")}</Menu.Item>
                    <Menu.Label>{t("people.role")}</Menu.Label>
                    {ROLES.map((one) => (
                      <Menu.Item key={one} disabled={one === user.role} onClick={() => void change(user, { role: one })}>
                        {t(`role.${one}`)}
                      </Menu.Item>
                    ))}
                    <Menu.Divider />
                    {user.is_active ? (
                      <Menu.Item
                        onClick={async () => {
                          if (await confirm(t("people.disable_ask", { name: user.full_name }), t("people.disable"))) {
                            await change(user, { is_active: false });
                          }
                        }}
                      >
                        {t("people.disable")}
                      </Menu.Item>
                    ) : (
                      <Menu.Item onClick={() => void change(user, { is_active: true })}>{t("people.enable")}</Menu.Item>
                    )}
                  </Dropdown>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {dialog && <PersonDialog dialog={dialog} onClose={() => setDialog(undefined)} />}
    </div>
  );
}

function PersonDialog({ dialog, onClose }: { dialog: Dialog; onClose: () => void }) {
  const { t } = useText();
  const user = dialog.kind === "new" ? undefined : dialog.user;
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const form = useForm({
    initialValues: { full_name: user?.full_name ?? "", email: user?.email ?? "", role: "agent" as Role, password: "" },
  });
  const submit = form.onSubmit(async ({ full_name, email, role, password }) => {
    setBusy(true);
    setFault(undefined);
    try {
      if (dialog.kind === "new") {
        await body(api.POST("/api/v1/users", { body: { full_name, email, role, password } }));
        told(t("people.created", { name: full_name }));
      } else {
        const fields = dialog.kind === "password" ? { password } : { full_name, email };
        await body(api.PATCH("/api/v1/users/{id}", { params: { path: { id: dialog.user.id } }, body: fields }));
        told(t("people.saved"));
      }
      void queryClient.invalidateQueries({ queryKey: ["users"] });
      onClose();
    } catch (error) {
      const fields = fieldTexts(error, t);
      form.setErrors(fields);
      if (Object.keys(fields).length === 0) setFault(explain(error, t));
      setBusy(false);
    }
  });
  const titles = {
    new: t("people.new"),
    edit: t("people.edit_title", { name: user?.full_name }),
    password: t("people.reset_title", { name: user?.full_name }),
  };
  return (
    <Modal opened onClose={onClose} title={titles[dialog.kind]} closeButtonProps={{ "aria-label": t("ticket.cancel") }}>
      <form onSubmit={submit} className="stack" noValidate>
        {fault && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        {dialog.kind !== "password" && (
          <>
            <TextInput label={t("register.name")} data-autofocus autoComplete="off" {...form.getInputProps("full_name")} />
            <TextInput label={t("people.email")} type="email" autoComplete="off" {...form.getInputProps("email")} />
          </>
        )}
        {dialog.kind === "new" && (
          <Select
            label={t("people.role")}
            allowDeselect={false}
            data={ROLES.map((one) => ({ value: one, label: t(`role.${one}`) }))}
            {...form.getInputProps("role")}
          />
        )}
        {dialog.kind !== "edit" && (
          <SecretInput
            label={t("signin.password")}
            description={t("register.password_hint")}
            autoComplete="new-password"
            {...form.getInputProps("password")}
          />
        )}
        <div className="actions actions-end">
          <Button variant="default" onClick={onClose}>
            {t("ticket.cancel")}
          </Button>
          <Button type="submit" loading={busy}>
            {t(dialog.kind === "new" ? "people.create" : "settings.save")}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
