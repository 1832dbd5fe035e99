// Imported before everything else: the session is asked for while the rest of the app is still being set up.

import { refresh } from "./client";
import { session } from "./session";

if (session.get().kind === "unknown") {
  // Whoever needs the token asks as well, and hears what went wrong.
  refresh().catch(() => undefined);
}
