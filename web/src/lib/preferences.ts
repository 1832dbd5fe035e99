import { api, body } from "../api/client";
import { queryClient } from "../api/queries";
import type { Preferences } from "../api/types";

/** Keeps a change of the preferences; shown at once, taken back when it is refused. */
export async function savePreferences(change: Partial<Preferences>): Promise<void> {
  const before = queryClient.getQueryData<Preferences>(["preferences"]);
  queryClient.setQueryData<Preferences>(["preferences"], (now) => now && { ...now, ...change });
  try {
    queryClient.setQueryData(["preferences"], await body(api.PATCH("/api/v1/preferences", { body: change })));
  } catch (error) {
    queryClient.setQueryData(["preferences"], before);
    throw error;
  }
}
