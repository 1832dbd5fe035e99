import { Button, SegmentedControl, TextInput, useMantineColorScheme } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { ApiError, api, body } from "../../api/client";
import { session } from "../../api/session";
import { chooseLocale, type Locale, useText } from "../../i18n";
import { setColors } from "../../lib/colors";
import { explain, failed, fieldTexts, told } from "../../lib/notify";
import { useMe } from "../../lib/use-session";
import { SecretInput } from "../../parts/secret-input";

export function Profile() {
  const { t, locale } = useText();
  const me = useMe();
  const { colorScheme } = useMantineColorScheme({ keepTransitions: true });
  const [busy, setBusy] = useState<"name" | "password">();
  const [fault, setFault] = useState<string>();
  const name = useForm({ initialValues: { full_name: me.full_name } });
  const secret = useForm({ initialValues: { current_password: "", password: "" } });

  const saveName = name.onSubmit(async (values) => {
    setBusy("name");
    try {
      session.signedIn(await body(api.PATCH("/api/v1/auth/me", { body: values })));
      told(t("settings.saved"));
    } catch (error) {
      name.setErrors(fieldTexts(error, t));
      failed(error);
    }
    setBusy(undefined);
  });

  const saveLocale = async (next: Locale) => {
    chooseLocale(next);
    try {
      session.signedIn(await body(api.PATCH("/api/v1/auth/me", { body: { locale: next } })));
    } catch (error) {
      failed(error);
    }
  };

  const savePassword = secret.onSubmit(async (values) => {
    setBusy("password");
    setFault(undefined);
    try {
      await body(api.PATCH("/api/v1/auth/me", { body: values }));
      secret.reset();
      told(t("settings.password_changed"));
    } catch (error) {
      // The one thing that is forbidden here is to change a password without knowing it.
      const refused = error instanceof ApiError && error.status === 403;
      const fields = refused ? { current_password: t("fault.wrong_password") } : fieldTexts(error, t);
      secret.setErrors(fields);
      if (Object.keys(fields).length === 0) setFault(explain(error, t));
    }
    setBusy(undefined);
  });

  return (
    <div className="settings-column">
      <form onSubmit={saveName} className="stack" noValidate>
        <TextInput label={t("signin.email")} value={me.email} readOnly />
        <TextInput label={t("settings.name")} autoComplete="name" maxLength={100} {...name.getInputProps("full_name")} />
        <div className="actions">
          <Button type="submit" size="xs" loading={busy === "name"} disabled={!name.isDirty()}>
            {t("settings.save")}
          </Button>
        </div>
      </form>
      <div className="stack">
        <p className="label">{t("settings.language")}</p>
        <SegmentedControl
          aria-label={t("settings.language")}
          value={locale}
          onChange={(value) => void saveLocale(value as Locale)}
          data={[
            { value: "en", label: "English" },
            { value: "es", label: "Español" },
          ]}
        />
        <p className="label">{t("settings.theme")}</p>
        <SegmentedControl
          aria-label={t("settings.theme")}
          value={colorScheme}
          onChange={(value) => setColors(value as typeof colorScheme)}
          data={(["auto", "light", "dark"] as const).map((value) => ({ value, label: t(`settings.theme_${value}`) }))}
        />
      </div>
      <form onSubmit={savePassword} className="stack" noValidate>
        <h2>{t("settings.password")}</h2>
        <input type="text" hidden readOnly autoComplete="username" value={me.email} />
        {fault && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        <SecretInput
          label={t("settings.current_password")}
          autoComplete="current-password"
          {...secret.getInputProps("current_password")}
        />
        <SecretInput
          label={t("settings.new_password")}
          description={t("register.password_hint")}
          autoComplete="new-password"
          {...secret.getInputProps("password")}
        />
        <div className="actions">
          <Button type="submit" size="xs" loading={busy === "password"} disabled={!secret.isDirty()}>
            {t("settings.change_password")}
          </Button>
        </div>
      </form>
    </div>
  );
}
