// People in a text, by `@` and their name: which one is being typed, and where they stand in words that are shown.

/** What is being typed after an `@`: where the `@` stands, and the beginning of a name. */
export interface Typing {
  at: number;
  name: string;
}

const LONGEST = 60;
const fold = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** The mention that ends at the caret, if one is begun there. */
export function typing(text: string, caret: number): Typing | undefined {
  const before = text.slice(Math.max(0, caret - LONGEST), caret);
  const found = before.match(/(?:^|[\s(])@((?:[\p{L}\p{M}][\p{L}\p{M}.'’-]*(?: [\p{L}\p{M}.'’-]*){0,3})?)$/u);
  if (!found) return undefined;
  const name = found[1] ?? "";
  return { at: caret - name.length - 1, name };
}

/** Who is meant: a name of whom begins with what is typed, whole names first. */
export function fitting(names: readonly string[], typed: string, most = 6): string[] {
  const wanted = fold(typed);
  const ranked = names.flatMap((name) => {
    const folded = fold(name);
    if (folded.startsWith(wanted)) return [{ name, rank: 0 }];
    return folded.split(/\s+/).some((word) => word.startsWith(wanted)) ? [{ name, rank: 1 }] : [];
  });
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map((one) => one.name);
}

/** The text with the mention written out, and where the caret goes. */
export function complete(text: string, typed: Typing, name: string): { text: string; caret: number } {
  const rest = text.slice(typed.at + 1 + typed.name.length);
  const said = `@${name}${/^\s/.test(rest) ? "" : " "}`;
  return { text: text.slice(0, typed.at) + said + rest, caret: typed.at + said.length + (/^\s/.test(rest) ? 1 : 0) };
}

/** Finds `@` and one of the names, longer names first. */
export function pattern(names: readonly string[]): RegExp | undefined {
  const known = [...new Set(names)].filter((name) => name.trim() !== "").sort((a, b) => b.length - a.length);
  if (known.length === 0) return undefined;
  const quoted = known.map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`(?<![\\p{L}\\p{N}])@(?:${quoted.join("|")})(?![\\p{L}\\p{N}])`, "giu");
}

/** Marks the people who are mentioned in words that are shown; whoever reads stands out. */
export function mark(root: Element, names: readonly string[], me: string): void {
  const wanted = pattern(names);
  if (!wanted || !root.textContent?.includes("@")) return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) {
    const text = walker.currentNode as Text;
    if (!text.parentElement?.closest("code, pre, a, .mention")) texts.push(text);
  }
  for (const text of texts) {
    for (const found of [...text.data.matchAll(wanted)].reverse()) {
      const said = text.splitText(found.index);
      said.splitText(found[0].length);
      const box = document.createElement("span");
      box.className = fold(found[0]) === fold(`@${me}`) ? "mention mention-me" : "mention";
      said.replaceWith(box);
      box.append(said);
    }
  }
}
