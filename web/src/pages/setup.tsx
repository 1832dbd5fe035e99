// The first start: language, name, admin, and perhaps demo data.

import { Alert, Button, Checkbox, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { signIn } from "../api/auth";
import { body, open } from "../api/client";
import { useText } from "../i18n";
import { explain, fieldTexts } from "../lib/notify";
import { Door } from "../parts/door";
import { SecretInput } from "../parts/secret-input";
import { Bones } from "../parts/states";

const STEPS = ["setup.step_desk", "setup.step_admin", "setup.step_demo"] as const;

export function SetupPage() {
  const { t, locale } = useText();
  const navigate = useNavigate();
  const needed = useQuery({ queryKey: ["setup"], queryFn: () => body(open.GET("/api/v1/setup")) });
  const [token] = useState(() => location.hash.slice(1));
  const [step, setStep] = useState(0);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const form = useForm({
    initialValues: { organisation_name: "", full_name: "", email: "", password: "", demo_data: false },
  });

  const check = (): boolean => {
    const missing = (names: ("organisation_name" | "full_name" | "email" | "password")[]) =>
      Object.fromEntries(names.filter((name) => !form.values[name].trim()).map((name) => [name, t("fault.missing")]));
    const faults =
      step === 0
        ? missing(["organisation_name"])
        : step === 1
          ? {
              ...missing(["full_name", "email", "password"]),
              ...(form.values.password && form.values.password.length < 8 ? { password: t("register.password_hint") } : {}),
            }
          : {};
    form.setErrors(faults);
    return Object.keys(faults).length === 0;
  };

  const finish = async () => {
    setBusy(true);
    setFault(undefined);
    const { organisation_name, demo_data, ...admin } = form.values;
    try {
      await body(
        open.POST("/api/v1/setup", {
          body: { token, organisation_name, locale, admin, ...(demo_data ? { demo_data } : {}) } as never,
        }),
      );
      await signIn(admin.email, admin.password);
      await navigate({ to: "/" });
    } catch (error) {
      const fields = Object.entries(fieldTexts(error, t)).map(([field, text]) => [field.replace("admin.", ""), text]);
      form.setErrors(Object.fromEntries(fields));
      if (fields.some(([field]) => field === "organisation_name")) setStep(0);
      else if (fields.some(([field]) => ["full_name", "email", "password"].includes(field ?? ""))) setStep(1);
      else setFault(explain(error, t));
      setBusy(false);
    }
  };

  if (needed.isPending) {
    return (
      <Door title={t("setup.title")}>
        <Bones rows={3} />
      </Door>
    );
  }
  const blocked = needed.data?.needed === false ? t("setup.done") : token ? undefined : t("setup.no_token");
  if (blocked) {
    return (
      <Door title={t("setup.title")}>
        <Alert color="yellow">{blocked}</Alert>
        <Button variant="default" onClick={() => void navigate({ to: "/" })}>
          {t("app.home")}
        </Button>
      </Door>
    );
  }
  return (
    <Door title={t("setup.title")}>
      <ol className="steps">
        {STEPS.map((name, n) => (
          <li key={name} className={n === step ? "step-now" : ""} aria-current={n === step ? "step" : undefined}>
            {t(name)}
          </li>
        ))}
      </ol>
      <form
        className="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!check()) return;
          if (step < 2) setStep(step + 1);
          else void finish();
        }}
      >
        {fault && (
          <Alert color="red" role="alert">
            {fault}
          </Alert>
        )}
        {step === 0 && (
          <TextInput label={t("setup.organisation")} maxLength={100} autoFocus {...form.getInputProps("organisation_name")} />
        )}
        {step === 1 && (
          <>
            <p className="dim">{t("setup.admin_hint")}</p>
            <TextInput label={t("register.name")} autoComplete="name" autoFocus {...form.getInputProps("full_name")} />
            <TextInput label={t("signin.email")} type="email" autoComplete="username" {...form.getInputProps("email")} />
            <SecretInput
              label={t("signin.password")}
              description={t("register.password_hint")}
              autoComplete="new-password"
              {...form.getInputProps("password")}
            />
          </>
        )}
        {step === 2 && (
          <Checkbox
            label={t("setup.demo")}
            description={t("setup.demo_hint")}
            error={form.errors.demo_data}
            {...form.getInputProps("demo_data", { type: "checkbox" })}
          />
        )}
        <div className="actions actions-end">
          {step > 0 && (
            <Button variant="default" onClick={() => setStep(step - 1)} disabled={busy}>
              {t("setup.back")}
            </Button>
          )}
          <Button type="submit" loading={busy}>
            {t(step < 2 ? "setup.next" : "setup.finish")}
          </Button>
        </div>
      </form>
    </Door>
  );
}
