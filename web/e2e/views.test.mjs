// Every view: nothing that a screen reader stumbles over, nothing cut off on a phone, everything by keyboard.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { Desk, PASSWORD } from "./desk.mjs";
import { PAYLOADS } from "./payloads.mjs";
import { attend, launch, Visitor } from "./visitor.mjs";

/** A few texts that could break a page: markup, a word without end. */
const TEXTS = PAYLOADS.filter((_, n) => n % 12 === 0);

const LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(2);

let browser;
let desk;
let rest;
before(async () => {
  browser = await launch();
  desk = await Desk.start();
  const eva = await desk.person("agent", "Eva Marín");
  const ana = await desk.person("user", "Ana Ruiz");
  await desk.call(desk.admin, "PATCH", `/users/${ana.id}`, { full_name: `Ana <img src=x onerror=alert(1)>` });
  for (const [n, text] of [...TEXTS, LONG].entries()) {
    const ticket = await desk.call(ana.token, "POST", "/tickets", {
      title: text.slice(0, 200),
      description: `${text}\n\n- one\n- two\n\n| a | b |\n|---|---|\n| ${text.replaceAll("|", "")} | d |`,
      priority: ["low", "medium", "high", "critical"][n % 4],
      tags: [text.replaceAll(",", "").slice(0, 50).trim().toLowerCase()],
    });
    await desk.call(ana.token, "POST", `/tickets/${ticket.id}/comments`, { content: text });
    if (n % 2) await desk.call(eva.token, "PATCH", `/tickets/${ticket.id}`, { assigned_agent_id: eva.id });
    await desk.call(eva.token, "POST", `/tickets/${ticket.id}/comments`, { content: text, is_internal: n % 2 === 0 });
  }
  const gone = await desk.call(ana.token, "POST", "/tickets", { title: "Deleted", description: "d" });
  await desk.call(desk.admin, "DELETE", `/tickets/${gone.id}`);
  await desk.call(eva.token, "PATCH", "/preferences", { saved_views: [{ name: LONG.slice(0, 100), query: "vpn" }] });
  await desk.call(desk.admin, "POST", "/auth/tokens", { name: LONG.slice(0, 100) });
  rest = { eva, ana };
});
after(async () => {
  await browser?.close();
  await desk?.end();
});

/** The views of each role: an address, and what shows that it has come. */
const VIEWS = {
  nobody: [
    ["/", "form"],
    ["/register", "form"],
    ["/setup#wrong", ".door-box .mantine-Alert-root"],
  ],
  "ana@example.com": [
    ["/tickets", ".mine-row"],
    ["/new", "form"],
    ["/tickets/1", ".said"],
    ["/settings", "form"],
  ],
  "eva@example.com": [
    ["/inbox", ".row-link"],
    ["/inbox?q=nothing", ".empty"],
    ["/inbox?q=status:opne", ".faults"],
    ["/board", ".card"],
    ["/tickets/2", ".said"],
    ["/dashboard", ".chart"],
    ["/new", "form"],
    ["/nowhere", ".empty"],
  ],
  "admin@example.com": [
    ["/tickets/1", ".said"],
    ["/inbox?q=deleted:true", ".row-link"],
    ["/people", "tbody tr"],
    ["/activity", "tbody tr"],
    ["/settings/sessions", "tbody tr"],
    ["/settings/tokens", "tbody tr"],
    ["/settings/desk", "form"],
    ["/settings/status", ".fact"],
  ],
};

async function walk(visitor, who, look) {
  if (who !== "nobody") await visitor.signIn(who);
  for (const [path, sign] of VIEWS[who]) {
    await visitor.open(path);
    await visitor.page.locator(sign).first().waitFor();
    await look(path);
  }
}

const TAGS = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] };
/** What colours decide. */
const COLOURS = { type: "rule", values: ["color-contrast", "link-in-text-block"] };

/** Fails for what is serious or critical in the page, or in that part of it. */
async function audit(page, what, runOnly, part) {
  // The pages have no frames: without its way through them axe is much quicker.
  const axe = new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ["violations"], runOnly });
  const { violations } = await (part ? axe.include(part) : axe).analyze();
  const grave = violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map(
      (one) =>
        `${what}: ${one.id}: ${one.nodes
          .slice(0, 3)
          .map((node) => `${node.target} ${node.failureSummary}`)
          .join(" / ")}`,
    );
  assert.deepEqual(grave, []);
}

/** Everything in the theme in which the page was opened; in the other one, what colours decide. */
async function auditBoth(page, what, theme, part) {
  const html = page.locator("html");
  assert.equal(await html.getAttribute("data-mantine-color-scheme"), theme);
  await audit(page, `${what}, ${theme}`, TAGS, part);
  const other = theme === "light" ? "dark" : "light";
  const become = (wanted) => html.evaluate((root, to) => root.setAttribute("data-mantine-color-scheme", to), wanted);
  await become(other);
  await audit(page, `${what}, ${other}`, COLOURS, part);
  await become(theme);
}

/** What the theme and language of somebody are kept as. */
async function prefer(email, theme, locale) {
  if (email === "nobody") return;
  const token = email.startsWith("admin") ? desk.admin : rest[email.split("@")[0]].token;
  await desk.call(token, "PATCH", "/preferences", { theme });
  await desk.call(token, "PATCH", "/auth/me", { locale });
}

for (const [theme, locale] of [
  ["light", "en"],
  ["dark", "es"],
]) {
  for (const who of Object.keys(VIEWS)) {
    test(`axe finds nothing serious: ${who}, ${locale}, opened in ${theme}`, async () => {
      await prefer(who, theme, locale);
      const visitor = await Visitor.arrive(browser, desk, { theme, locale });
      await attend([visitor], async () => {
        await walk(visitor, who, async (path) => {
          await auditBoth(visitor.page, path, theme);
          assert.equal(await visitor.page.locator("html").getAttribute("lang"), locale);
        });
      });
    });
  }

  test(`axe finds nothing serious in what opens over a view: ${locale}, opened in ${theme}`, async () => {
    await prefer("eva@example.com", theme, locale);
    const visitor = await Visitor.arrive(browser, desk, { theme, locale });
    const { page } = visitor;
    await attend([visitor], async () => {
      await visitor.signIn("eva@example.com");
      await page.locator(".row-link").first().waitFor();
      await page.keyboard.press("x");
      await page.locator(".bulk").waitFor();
      await auditBoth(page, "bulk", theme, ".inbox");
      for (const key of ["Control+k", "a", "s", "p", "?"]) {
        await page.keyboard.press(key);
        await page.getByRole("dialog").waitFor();
        await auditBoth(page, key, theme, "[role=dialog]");
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
      }
      await visitor.open("/tickets/2");
      await page.locator(".said").first().waitFor();
      await page.keyboard.press("n");
      await page.locator(".composer textarea").pressSequentially("@");
      await page.getByRole("option").first().waitFor();
      await auditBoth(page, "@", theme, ".composer");
    });
  });
}

/** What reaches over the right edge, unless it lies in something that scrolls. */
function cutOff() {
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => {
    for (let at = element.parentElement; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (/(auto|scroll)/.test(style.overflowX) && at.scrollWidth > at.clientWidth) return true;
    }
    return false;
  };
  const found = [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    if (box.width === 0 || box.height === 0 || style.visibility === "hidden" || element.closest(".visually-hidden, svg"))
      return false;
    return box.right > width + 1 && !scrolls(element);
  });
  return [
    ...(document.documentElement.scrollWidth > width ? ["the page scrolls sideways"] : []),
    ...found.map((one) => `${one.tagName}.${one.className}`),
  ];
}

/** What is smaller than a finger. Links within a text are as high as their line. */
function tooSmall() {
  const parts = document.querySelectorAll("button, input:not([type=hidden]), select, textarea, nav a");
  return [...parts]
    .filter((element) => {
      const box = element.getBoundingClientRect();
      if (box.width <= 1 || box.height <= 1 || element.tabIndex < 0) return false;
      if (element.closest(".visually-hidden, .prose, [hidden], [aria-hidden=true]")) return false;
      if (getComputedStyle(element).opacity === "0") return false;
      // A check box is hit by its cell or its label, a text by the frame around it.
      const whole = element.matches("[type=checkbox], [type=radio]")
        ? "label, .cell-check, [class*=Switch], [class*=Checkbox], [class*=Segmented]"
        : "[class*=Input-input]:not([class*=inputField])";
      const target = element.closest(whole) ?? element;
      return target.getBoundingClientRect().height < 43.5;
    })
    .map((one) => `${one.tagName} ${one.getAttribute("aria-label") ?? one.textContent} ${one.getBoundingClientRect().height}`);
}

for (const locale of ["en", "es"]) {
  for (const who of Object.keys(VIEWS)) {
    test(`nothing is cut off or too small for a finger at 390 px: ${who}, ${locale}`, async () => {
      await prefer(who, "light", locale);
      const visitor = await Visitor.arrive(browser, desk, { phone: true, locale });
      await attend([visitor], async () => {
        await walk(visitor, who, async (path) => {
          assert.deepEqual(await visitor.page.evaluate(cutOff), [], path);
          assert.deepEqual(await visitor.page.evaluate(tooSmall), [], path);
        });
      });
    });
  }
}

test("on a phone the details are a sheet and the navigation a drawer", async () => {
  await prefer("eva@example.com", "light", "en");
  const visitor = await Visitor.arrive(browser, desk, { phone: true });
  const { page } = visitor;
  await attend([visitor], async () => {
    await visitor.signIn("eva@example.com", PASSWORD, "/tickets/2");
    await page.getByRole("button", { name: "Details" }).click();
    await page.getByRole("dialog", { name: "Details" }).getByText("Requester").waitFor();
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("dialog").getByRole("link", { name: "Board", exact: true }).click();
    await page.getByRole("heading", { name: "Board" }).waitFor();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });
});

test("the keyboard alone signs in, opens a ticket, changes it, and finds every control by Tab", async () => {
  await prefer("eva@example.com", "light", "en");
  const visitor = await Visitor.arrive(browser, desk);
  const { page } = visitor;
  await attend([visitor], async () => {
    await visitor.open("/");
    await page.getByLabel("E-mail").waitFor();
    await page.keyboard.type("eva@example.com");
    await page.keyboard.press("Tab");
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter");
    await page.locator(".row-link").first().waitFor();
    await page.keyboard.press("c");
    await page.getByRole("heading", { name: "New ticket" }).waitFor();
    await page.getByLabel("Title").and(page.locator(":focus")).waitFor();
    await page.keyboard.type("By keyboard");
    await page.keyboard.press("Tab");
    await page.keyboard.type("No mouse at hand");
    await page.keyboard.press("Control+Enter");
    await page.getByRole("heading", { name: "By keyboard" }).waitFor();
    await page.keyboard.press("p");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.type("Low");
    await page.keyboard.press("Enter");
    await page.locator(".event", { hasText: "Medium → Low" }).waitFor();

    // From the first control on, Tab reaches all that can be operated, and what has the focus can be seen.
    const wanted = await page.evaluate(() => {
      const all = document.querySelectorAll(
        "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), textarea, [role=tab]",
      );
      const seen = [...all].filter((one) => {
        const box = one.getBoundingClientRect();
        return (
          box.width > 0 &&
          !one.closest("[aria-hidden=true]") &&
          one.tabIndex >= 0 &&
          getComputedStyle(one).visibility !== "hidden"
        );
      });
      for (const [n, one] of seen.entries()) one.setAttribute("data-n", String(n));
      return seen.length;
    });
    const reached = new Set();
    await page.evaluate(() => document.activeElement?.blur());
    for (let n = 0; n < wanted + 10; n++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => document.activeElement?.getAttribute("data-n"));
      if (at !== null && at !== undefined) reached.add(at);
    }
    const missed = await page.evaluate(
      (known) =>
        [...document.querySelectorAll("[data-n]")]
          .filter((one) => !known.includes(one.getAttribute("data-n")))
          .map((one) => one.outerHTML.slice(0, 200)),
      [...reached],
    );
    assert.deepEqual(missed, []);
  });
});

test("the first visit asks for no session and prints no error", async () => {
  const visitor = await Visitor.arrive(browser, desk);
  await attend([visitor], async () => {
    const calls = [];
    visitor.page.on("request", (request) => calls.push(new URL(request.url()).pathname));
    await visitor.open("/");
    await visitor.page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.deepEqual(
      calls.filter((path) => path.startsWith("/api/v1/auth")),
      [],
    );
  });
});
