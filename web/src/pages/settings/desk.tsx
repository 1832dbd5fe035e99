import { Button, NumberInput, Select, Switch, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, body } from "../../api/client";
import { queryClient, settingsQuery } from "../../api/queries";
import { PRIORITIES, type Settings } from "../../api/types";
import { useText } from "../../i18n";
import { failed, fieldTexts, told } from "../../lib/notify";
import { Bones, Failed } from "../../parts/states";

export function DeskSettings() {
  const settings = useQuery(settingsQuery());
  if (settings.isError && !settings.data) return <Failed error={settings.error} retry={() => void settings.refetch()} />;
  if (!settings.data) return <Bones rows={6} />;
  return <Form settings={settings.data} />;
}

function Form({ settings }: { settings: Settings }) {
  const { t } = useText();
  const [busy, setBusy] = useState(false);
  const form = useForm<Settings>({ initialValues: settings });
  const submit = form.onSubmit(async (values) => {
    setBusy(true);
    try {
      const after = await body(api.PATCH("/api/v1/settings", { body: values }));
      queryClient.setQueryData(["settings"], after);
      void queryClient.invalidateQueries({ queryKey: ["desk"] });
      form.setInitialValues(after);
      form.setValues(after);
      told(t("settings.saved"));
    } catch (error) {
      form.setErrors(fieldTexts(error, t));
      failed(error);
    }
    setBusy(false);
  });
  const targets = ["first_response_minutes", "resolution_minutes"] as const;
  const names = { first_response_minutes: t("settings.sla_response"), resolution_minutes: t("settings.sla_resolution") };
  return (
    <form onSubmit={submit} className="settings-column" noValidate>
      <div className="stack">
        <TextInput label={t("settings.organisation")} maxLength={100} {...form.getInputProps("organisation_name")} />
        <Select
          label={t("settings.desk_language")}
          allowDeselect={false}
          data={[
            { value: "en", label: "English" },
            { value: "es", label: "Español" },
          ]}
          {...form.getInputProps("locale")}
        />
        <Select
          label={t("settings.time_zone")}
          searchable
          allowDeselect={false}
          limit={100}
          data={[...new Set(["UTC", settings.time_zone, ...Intl.supportedValuesOf("timeZone")])]}
          {...form.getInputProps("time_zone")}
        />
        <Switch label={t("settings.registration")} {...form.getInputProps("registration_open", { type: "checkbox" })} />
      </div>
      <fieldset className="targets">
        <legend>{t("settings.sla")}</legend>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t("field.priority")}</th>
              {targets.map((target) => (
                <th scope="col" key={target}>
                  {names[target]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {PRIORITIES.map((priority) => (
              <tr key={priority}>
                <th scope="row">{t(`priority.${priority}`)}</th>
                {targets.map((target) => (
                  <td key={target}>
                    <NumberInput
                      size="xs"
                      min={1}
                      max={527_040}
                      allowDecimal={false}
                      hideControls
                      aria-label={t("settings.sla_of", { target: names[target], priority: t(`priority.${priority}`) })}
                      {...form.getInputProps(`sla.${priority}.${target}`)}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </fieldset>
      <div className="actions">
        <Button type="submit" size="xs" loading={busy} disabled={!form.isDirty()}>
          {t("settings.save")}
        </Button>
      </div>
    </form>
  );
}
