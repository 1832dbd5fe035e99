import {
  type CSSVariablesResolver,
  createTheme,
  DEFAULT_THEME,
  defaultCssVariablesResolver,
  type MantineColorScheme,
  type MantineColorSchemeManager,
  mergeMantineTheme,
} from "@mantine/core";

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 7 },
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  spacing: { xs: "4px", sm: "8px", md: "12px", lg: "16px", xl: "24px" },
  headings: { sizes: { h1: { fontSize: "20px" }, h2: { fontSize: "16px" }, h3: { fontSize: "14px" } } },
  defaultRadius: "4px",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Modal: { defaultProps: { transitionProps: { duration: 100 }, centered: false, yOffset: "12vh" } },
    // A list that nobody has opened is not laid out.
    Combobox: { defaultProps: { keepMounted: false } },
    Menu: { defaultProps: { transitionProps: { duration: 80 }, shadow: "sm" } },
    Select: { defaultProps: { comboboxProps: { transitionProps: { duration: 80 }, shadow: "sm" } } },
    Tooltip: { defaultProps: { openDelay: 400, transitionProps: { duration: 80 } } },
  },
});

const block = (selector: string, variables: Record<string, string | undefined>) =>
  `${selector}{${Object.entries(variables)
    .map(([name, value]) => `${name}:${value};`)
    .join("")}}`;

/**
 * Puts the theme's variables into the page as a constructed sheet. Mantine would write a <style> through innerHTML,
 * which Trusted Types forbid.
 */
export function applyTheme(): void {
  const resolve: CSSVariablesResolver = defaultCssVariablesResolver;
  const { variables, light, dark } = resolve(mergeMantineTheme(DEFAULT_THEME, theme));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(
    block(":root", variables) +
      block(":root[data-mantine-color-scheme='light']", light) +
      block(":root[data-mantine-color-scheme='dark']", dark),
  );
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

const KEY = "taquilla.theme";

/** Remembers the colours on this device; the account has them too. */
export const colorSchemeManager: MantineColorSchemeManager = {
  get: (fallback) => (localStorage.getItem(KEY) as MantineColorScheme | null) ?? fallback,
  set: (value) => localStorage.setItem(KEY, value),
  subscribe: () => {},
  unsubscribe: () => {},
  clear: () => localStorage.removeItem(KEY),
};
