import { PasswordInput, type PasswordInputProps } from "@mantine/core";
import { useText } from "../i18n";

/** A password, shown on demand; the keyboard reaches the eye as well. */
export function SecretInput(props: PasswordInputProps) {
  const { t } = useText();
  return (
    <PasswordInput
      {...props}
      aria-invalid={props.error ? true : undefined}
      visibilityToggleButtonProps={{ "aria-label": t("signin.show_password"), tabIndex: 0 }}
    />
  );
}
