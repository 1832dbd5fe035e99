// More than a hundred texts that a careless page would run, in every field that takes one, looked at by every role.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Desk, PASSWORD } from "./desk.mjs";
import { PAYLOADS } from "./payloads.mjs";
import { attend, launch, Visitor } from "./visitor.mjs";

let browser;
let desk;
let big;

/** Does something for each payload, a few at a time. */
async function each(work) {
  const left = [...PAYLOADS.entries()];
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) await work(...next);
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}

/** API tokens of one account. */
const TOKENS = 40;

const views = (payloads) => payloads.slice(0, 50).map((name, n) => ({ name: `${n}${name}`, query: name, sort: "" }));

before(async () => {
  browser = await launch();
  desk = await Desk.start();
  const eva = await desk.person("agent", "Eva Marín");
  const ana = await desk.person("user", "Ana Ruiz");
  const whole = PAYLOADS.join("\n\n");
  big = (await desk.call(ana.token, "POST", "/tickets", { title: "All at once", description: whole })).id;
  await each(async (n, text) => {
    const agent = await desk.call(desk.admin, "POST", "/users", {
      email: `agent${n}@example.com`,
      full_name: text,
      role: "agent",
    });
    const ticket = await desk.call(ana.token, "POST", "/tickets", {
      title: text,
      description: text,
      tags: [text.replaceAll(",", "").slice(0, 50)],
    });
    await desk.call(desk.admin, "PATCH", `/tickets/${ticket.id}`, {
      assigned_agent_id: agent.id,
      tags: [`x${text}`.replaceAll(",", "").slice(0, 50)],
    });
    await desk.call(ana.token, "POST", `/tickets/${big}/comments`, { content: text });
    await desk.call(eva.token, "POST", `/tickets/${big}/comments`, { content: text, is_internal: true });
    // An account has only so many of them.
    const owner = [desk.admin, eva.token, ana.token][Math.floor(n / TOKENS)];
    await desk.call(owner, "POST", "/auth/tokens", { name: text });
    const deleted = await desk.call(ana.token, "POST", "/tickets", { title: text, description: text });
    await desk.call(desk.admin, "DELETE", `/tickets/${deleted.id}`);
  });
  // What a header cannot carry, a browser does not send.
  const agents = PAYLOADS.filter((text) => /^[ -~]*$/.test(text)).slice(0, 30);
  for (const text of agents) {
    const answer = await fetch(`${desk.url}/api/v1/auth/login`, {
      method: "POST",
      headers: { "user-agent": text, "content-type": "application/json" },
      body: JSON.stringify({ username: "admin@example.com", password: PASSWORD }),
    });
    assert.equal(answer.status, 200, text);
  }
  await desk.call(eva.token, "PATCH", "/preferences", { saved_views: views(PAYLOADS) });
  await desk.call(desk.admin, "PATCH", "/preferences", { saved_views: views(PAYLOADS.slice(50)) });
  await desk.call(ana.token, "PATCH", "/auth/me", { full_name: PAYLOADS[0] });
  await desk.call(desk.admin, "PATCH", "/settings", { organisation_name: PAYLOADS[1] });
});
after(async () => {
  await browser?.close();
  await desk?.end();
});

/** What runs, or leads to what runs, in the page. */
function alive() {
  const scripts = [...document.scripts].filter((one) => !one.src.startsWith(`${location.origin}/assets/`));
  const handlers = [...document.querySelectorAll("*")].filter((one) =>
    one.getAttributeNames().some((name) => name.startsWith("on")),
  );
  const links = [...document.querySelectorAll("[href], [src], [action], [data]")].filter((one) =>
    /^\s*(javascript|vbscript|data:text)/i.test(one.href?.baseVal ?? one.href ?? one.src ?? one.action ?? one.data ?? ""),
  );
  const frames = [...document.querySelectorAll("iframe, object, embed, base, meta[http-equiv=refresh]")];
  return [...scripts, ...handlers, ...links, ...frames].map((one) => one.outerHTML.slice(0, 200));
}

/** Opens each view once, scrolled to its end. */
async function look(email, places) {
  const visitor = await Visitor.arrive(browser, desk);
  const { page } = visitor;
  await attend([visitor], async () => {
    await visitor.signIn(email);
    for (const [path, sign, more] of places) {
      await visitor.open(path);
      await page.locator(sign).first().waitFor();
      await more?.(page);
      assert.deepEqual(await page.evaluate(alive), [], path);
    }
  });
}

/** Goes down the list to the last of so many rows. Where the rows end one stays until more have come, however often one presses. */
const wholeList = (rows) => async (page) => {
  const last = page.locator(`.row-active[aria-rowindex="${rows + 1}"]`);
  for (const until = Date.now() + 60_000; (await last.count()) === 0; ) {
    assert.ok(Date.now() < until, `row ${rows} is not reached`);
    for (let n = 0; n < 10; n++) await page.keyboard.press("j");
    assert.deepEqual(await page.evaluate(alive), []);
  }
};

const everyComment = (count) => async (page) => {
  await page
    .locator(".said")
    .nth(count - 1)
    .waitFor();
  // Words stay words.
  for (const text of ["<script>alert(1)</script>"]) await page.locator("body", { hasText: text }).waitFor();
};

const preview = async (page) => {
  await page.getByLabel("Description").fill(PAYLOADS.join("\n\n"));
  await page.getByRole("button", { name: "Preview" }).click();
  await page.locator(".composer-preview").waitFor();
};

test("there are more than a hundred of them, all different", () => {
  assert.ok(new Set(PAYLOADS).size >= 100);
});

test("a requester sees none of them run", async () => {
  await look("ana@example.com", [
    ["/tickets?show=all", ".mine-row"],
    [`/tickets/${big}`, ".said", everyComment(PAYLOADS.length)],
    ["/new", "form", preview],
    ["/settings", "form"],
    ["/settings/tokens", "tbody tr"],
  ]);
});

test("an agent sees none of them run", async () => {
  await look("eva@example.com", [
    ["/inbox", ".row-link", wholeList(PAYLOADS.length + 1)],
    [`/inbox?q=${encodeURIComponent(PAYLOADS.slice(0, 3).join(" "))}`, ".empty, .row-link"],
    ["/board", ".card"],
    [`/tickets/${big}`, ".said", everyComment(2 * PAYLOADS.length)],
    ["/dashboard", ".chart"],
    ["/new", "form", preview],
    ["/settings/tokens", "tbody tr"],
  ]);
});

test("an admin sees none of them run", async () => {
  await look("admin@example.com", [
    ["/inbox?q=deleted:true", ".row-link", wholeList(PAYLOADS.length)],
    [`/tickets/${big}`, ".said", everyComment(2 * PAYLOADS.length)],
    ["/people", `tbody tr >> nth=${PAYLOADS.length}`],
    [
      "/activity",
      "tbody tr",
      async (page) => {
        for (let n = 2; n <= 4; n++) {
          await page.getByRole("button", { name: "Show earlier" }).click();
          await page.locator(`tbody tr >> nth=${n * 100 - 1}`).waitFor();
        }
      },
    ],
    ["/settings/sessions", "tbody tr"],
    ["/settings/tokens", "tbody tr"],
    ["/settings/desk", "form"],
    ["/settings/status", ".fact"],
  ]);
});
