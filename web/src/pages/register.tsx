import { Alert, Anchor, Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { signIn } from "../api/auth";
import { body, open } from "../api/client";
import { deskQuery } from "../api/queries";
import { useText } from "../i18n";
import { explain, fieldTexts } from "../lib/notify";
import { Door } from "../parts/door";
import { SecretInput } from "../parts/secret-input";

export function RegisterPage() {
  const { t } = useText();
  const navigate = useNavigate();
  const desk = useQuery(deskQuery());
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const form = useForm({ initialValues: { full_name: "", email: "", password: "" } });

  const submit = form.onSubmit(async (values) => {
    setBusy(true);
    setFault(undefined);
    try {
      await body(open.POST("/api/v1/auth/register", { body: values }));
      await signIn(values.email, values.password);
      await navigate({ to: "/" });
    } catch (error) {
      const fields = fieldTexts(error, t);
      form.setErrors(fields);
      if (Object.keys(fields).length === 0) setFault(explain(error, t));
    }
    setBusy(false);
  });

  return (
    <Door title={t("register.title")} name={desk.data?.organisation_name}>
      {desk.data?.registration_open === false && <Alert color="yellow">{t("register.closed")}</Alert>}
      <form onSubmit={submit} noValidate className="stack">
        {fault && (
          <Alert color="red" role="alert">
            {fault}
          </Alert>
        )}
        <TextInput label={t("register.name")} autoComplete="name" autoFocus {...form.getInputProps("full_name")} />
        <TextInput label={t("signin.email")} type="email" autoComplete="username" {...form.getInputProps("email")} />
        <SecretInput
          label={t("signin.password")}
          description={t("register.password_hint")}
          autoComplete="new-password"
          {...form.getInputProps("password")}
        />
        <Button type="submit" loading={busy} fullWidth>
          {t("register.submit")}
        </Button>
        <Anchor component={Link} to="/" size="sm" className="center">
          {t("register.have_account")}
        </Anchor>
      </form>
    </Door>
  );
}
