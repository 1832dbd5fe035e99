// Texts that are not sent yet, kept in this browser until they are.

const PREFIX = "taquilla.draft.";

export const draft = {
  get: (name: string): string => localStorage.getItem(PREFIX + name) ?? "",
  set(name: string, text: string): void {
    if (text) localStorage.setItem(PREFIX + name, text);
    else localStorage.removeItem(PREFIX + name);
  },
};
