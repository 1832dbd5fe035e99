import { Alert, Anchor, Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { signIn } from "../api/auth";
import { ApiError, body, open } from "../api/client";
import { deskQuery } from "../api/queries";
import { useText } from "../i18n";
import { explain } from "../lib/notify";
import { useSession } from "../lib/use-session";
import { Door } from "../parts/door";
import { SecretInput } from "../parts/secret-input";

export function SignIn() {
  const { t } = useText();
  const state = useSession();
  const desk = useQuery(deskQuery());
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const setup = useQuery({ queryKey: ["setup"], queryFn: () => body(open.GET("/api/v1/setup")) });
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<{ at: "email" | "password" | "form"; text: string }>();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!email.trim()) return setFault({ at: "email", text: t("fault.missing") });
    if (!password) return setFault({ at: "password", text: t("fault.missing") });
    setBusy(true);
    setFault(undefined);
    try {
      await signIn(email.trim(), password);
    } catch (error) {
      const wrong = error instanceof ApiError && error.status === 401;
      setFault({ at: wrong ? "password" : "form", text: explain(error, t) });
      setBusy(false);
    }
  };

  return (
    <Door title={t("signin.title")} name={desk.data?.organisation_name}>
      <form onSubmit={submit} noValidate className="stack">
        {state.kind === "out" && state.why === "expired" && <Alert color="yellow">{t("signin.expired")}</Alert>}
        {setup.data?.needed && <Alert color="yellow">{t("signin.setup")}</Alert>}
        {fault?.at === "form" && (
          <Alert color="red" role="alert">
            {fault.text}
          </Alert>
        )}
        <TextInput
          label={t("signin.email")}
          type="email"
          autoComplete="username"
          autoFocus
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={fault?.at === "email" && fault.text}
        />
        <SecretInput
          label={t("signin.password")}
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={fault?.at === "password" && fault.text}
        />
        <Button type="submit" loading={busy} fullWidth>
          {t("signin.submit")}
        </Button>
        {desk.data?.registration_open && (
          <Anchor component={Link} to="/register" size="sm" className="center">
            {t("signin.register")}
          </Anchor>
        )}
      </form>
    </Door>
  );
}
