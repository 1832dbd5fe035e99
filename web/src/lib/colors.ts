import type { MantineColorScheme } from "@mantine/core";
import { failed } from "./notify";
import { savePreferences } from "./preferences";

type Setter = (scheme: MantineColorScheme) => void;
let setter: Setter | undefined;

/** The page tells how colours are changed; Mantine has it in a hook only. */
export function colorsAre(set: Setter): void {
  setter = set;
}

/** Changes the colours here and keeps the choice with the account. */
export function setColors(scheme: MantineColorScheme): void {
  setter?.(scheme);
  savePreferences({ theme: scheme }).catch(failed);
}
