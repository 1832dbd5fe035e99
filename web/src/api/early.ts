// A script of its own, and the first: whoever comes back is asked for, and the list of the inbox, while the rest of the app is
// still being fetched and set up. vite.config.ts says what is in it.

import { resume } from "./auth";
import { session } from "./session";

// Whoever draws asks as well, and hears what went wrong.
if (session.get().kind === "unknown") resume().catch(() => undefined);
