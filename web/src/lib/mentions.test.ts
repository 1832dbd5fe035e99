// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { complete, fitting, mark, typing } from "./mentions";

const NAMES = ["Eva Marín", "Evan Holt", "Tom Okafor", "Eva"];

test("a mention begins with @ at the start of a word", () => {
  expect(typing("@", 1)).toEqual({ at: 0, name: "" });
  expect(typing("Ask @ev", 7)).toEqual({ at: 4, name: "ev" });
  expect(typing("(@Eva Mar", 9)).toEqual({ at: 1, name: "Eva Mar" });
  expect(typing("eva@example", 11)).toBeUndefined();
  expect(typing("Ask @ev now", 4)).toBeUndefined();
  expect(typing("Ask @ev, please", 15)).toBeUndefined();
});

test("names fit by the beginning of any of their words, without accents and case", () => {
  expect(fitting(NAMES, "ev")).toEqual(["Eva Marín", "Evan Holt", "Eva"]);
  expect(fitting(NAMES, "MARIN")).toEqual(["Eva Marín"]);
  expect(fitting(NAMES, "eva marin")).toEqual(["Eva Marín"]);
  expect(fitting(NAMES, "zoe")).toEqual([]);
  expect(fitting(NAMES, "", 2)).toEqual(["Eva Marín", "Evan Holt"]);
});

test("the chosen name is written out, with one blank behind it", () => {
  expect(complete("Ask @ev", { at: 4, name: "ev" }, "Eva Marín")).toEqual({ text: "Ask @Eva Marín ", caret: 15 });
  expect(complete("Ask @ev now", { at: 4, name: "ev" }, "Eva")).toEqual({ text: "Ask @Eva now", caret: 9 });
});

function marked(html: string, names = NAMES): string {
  const root = document.createElement("div");
  root.innerHTML = html;
  mark(root, names, "Tom Okafor");
  return root.innerHTML;
}

test("known people are marked in what is shown, the longest name that fits", () => {
  expect(marked("<p>@Eva Marín and @eva, see @Evan.</p>")).toBe(
    '<p><span class="mention">@Eva Marín</span> and <span class="mention">@eva</span>, see @Evan.</p>',
  );
  expect(marked("<p>Hi <strong>@Tom Okafor</strong>!</p>")).toBe(
    '<p>Hi <strong><span class="mention mention-me">@Tom Okafor</span></strong>!</p>',
  );
});

test("code, links and addresses are left alone, and nothing is marked twice", () => {
  const left = '<p>x@Eva <code>@Eva</code> <a href="/x">@Eva</a></p>';
  expect(marked(left)).toBe(left);
  const once = marked("<p>@Eva</p>");
  expect(marked(once)).toBe(once);
});

test("a name may have any character", () => {
  expect(marked("<p>@A.*(b) @Axxb</p>", ["A.*(b)"])).toBe('<p><span class="mention">@A.*(b)</span> @Axxb</p>');
  expect(marked("<p>@-x</p>", ["-x", "a/b"])).toBe('<p><span class="mention">@-x</span></p>');
});
