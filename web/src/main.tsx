import "./styles/mantine";
import "@mantine/notifications/styles.css";
import "@mantine/spotlight/styles.css";
import "./styles/base.css";
import "./styles/list.css";
import "./styles/ticket.css";
import "./styles/pages.css";
import "./i18n";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { resume } from "./api/auth";
import { refreshAsked } from "./api/client";
import { queryClient } from "./api/queries";
import { session } from "./api/session";
import { nonce } from "./lib/nonce";
import { Later } from "./parts/later";
import { router } from "./router";
import { applyTheme, colorSchemeManager, theme } from "./theme";

/** How long drawing waits until the session has been asked for, in milliseconds. */
const PATIENCE = 50;

applyTheme();

const app = (
  <StrictMode>
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      colorSchemeManager={colorSchemeManager}
      getStyleNonce={() => nonce}
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
        <Later>
          <Notifications position="bottom-right" limit={4} zIndex={400} />
        </Later>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>
);

const draw = () => createRoot(document.getElementById("root") as HTMLElement).render(app);
if (session.get().kind === "unknown") {
  // The answer comes while the page is drawn. When there is none, the frame of the app asks again.
  resume().catch(() => undefined);
  void Promise.race([refreshAsked, new Promise((done) => setTimeout(done, PATIENCE))]).then(draw);
} else {
  draw();
}
