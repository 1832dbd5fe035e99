import "./api/early";
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
import { queryClient } from "./api/queries";
import { session } from "./api/session";
import { nonce } from "./lib/nonce";
import { Later } from "./parts/later";
import { router } from "./router";
import { applyTheme, colorSchemeManager, theme } from "./theme";

/** How long drawing waits for the session and the list, in milliseconds. After that, the frame is drawn without them. */
const PATIENCE = 150;

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
  // To draw once takes less than to draw twice. When there is no answer, the frame of the app asks again.
  const resumed = resume().catch(() => undefined);
  void Promise.race([resumed, new Promise((done) => setTimeout(done, PATIENCE))]).then(draw);
} else {
  draw();
}
