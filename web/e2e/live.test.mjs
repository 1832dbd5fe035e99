// Several people at once, sessions that end, a desk that goes away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Desk, PASSWORD } from "./desk.mjs";
import { attend, launch, Visitor } from "./visitor.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

/** A desk with two agents, a requester, and one ticket of hers. */
function desk(name, steps) {
  test(name, async () => {
    const place = await Desk.start();
    const people = {
      eva: await place.person("agent", "Eva Marín"),
      tom: await place.person("agent", "Tom Okafor"),
      ana: await place.person("user", "Ana Ruiz"),
    };
    await place.call(people.ana.token, "POST", "/tickets", { title: "VPN drops", description: "It does." });
    const visitors = [];
    const arrive = async (email, path, wanted) => {
      const visitor = await Visitor.arrive(browser, place, wanted);
      visitors.push(visitor);
      if (email) await visitor.signIn(email, PASSWORD, path);
      return visitor;
    };
    try {
      await attend(visitors, () => steps(place, people, arrive));
    } finally {
      await place.end();
    }
  });
}

const row = (page, title) => page.getByRole("row").filter({ hasText: title });

desk("two agents on one ticket see each other's changes as they happen", async (place, { tom, ana }, arrive) => {
  const eva = await arrive("eva@example.com", "/tickets/1");
  const other = await arrive("tom@example.com", "/tickets/1");
  for (const visitor of [eva, other]) await visitor.page.getByRole("heading", { name: "VPN drops" }).waitFor();
  await other.page.getByRole("button", { name: "Take it" }).click();
  await eva.page.locator(".event", { hasText: "Tom Okafor took it" }).waitFor();
  await eva.page.getByRole("combobox", { name: "Assignee" }).or(eva.page.getByLabel("Assignee")).first().waitFor();
  await place.call(tom.token, "POST", "/tickets/1/comments", { content: "On it." });
  await eva.page.locator(".said", { hasText: "On it." }).waitFor();
  await eva.page.locator("[data-live]", { hasText: "Changed just now by Tom Okafor" }).waitFor();
  await place.call(ana.token, "POST", "/tickets/1/comments", { content: "Thank you." });
  for (const visitor of [eva, other]) await visitor.page.locator(".said", { hasText: "Thank you." }).waitFor();
});

desk("a change made on an old state is not saved over another one", async (place, { tom }, arrive) => {
  const eva = await arrive("eva@example.com", "/tickets/1");
  const { page } = eva;
  eva.provoke(/412.*\/tickets\/1/);
  await page.getByRole("button", { name: "Edit title and description" }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("VPN drops every hour");
  await place.call(tom.token, "PATCH", "/tickets/1", { title: "VPN drops at noon" });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("alert").filter({ hasText: "Tom Okafor changed this meanwhile" }).waitFor();
  assert.equal((await place.call(tom.token, "GET", "/tickets/1")).title, "VPN drops at noon");
  await page.getByRole("button", { name: "Save mine anyway" }).click();
  await page.getByRole("alert").filter({ hasText: "changed this meanwhile" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "VPN drops every hour" }).waitFor();
  assert.equal((await place.call(tom.token, "GET", "/tickets/1")).title, "VPN drops every hour");
});

desk("the list brings its rows up to date where they stand, and offers new ones", async (place, { tom, ana }, arrive) => {
  const { page } = await arrive("eva@example.com", "/inbox");
  await row(page, "VPN drops").waitFor();
  await place.call(tom.token, "PATCH", "/tickets/1", { priority: "critical" });
  await row(page, "VPN drops").getByRole("img", { name: "Priority: Critical" }).waitFor();
  await place.call(ana.token, "POST", "/tickets", { title: "Printer jams", description: "d" });
  await page.getByRole("button", { name: "1 new ticket: show it" }).waitFor();
  assert.equal(await row(page, "Printer jams").count(), 0, "nothing moves by itself");
  await page.getByRole("button", { name: "1 new ticket: show it" }).click();
  await row(page, "Printer jams").waitFor();
  await page.getByRole("link", { name: "Unassigned" }).locator("..").getByText("2").waitFor();
});

desk("what happens while the app is still on its way is told when it is there", async (place, { ana }, arrive) => {
  const { page } = await arrive("eva@example.com", "/inbox");
  await row(page, "VPN drops").waitFor();
  await page.locator(".nav-count").nth(3).waitFor();
  let release;
  const held = new Promise((done) => {
    release = done;
  });
  await page.route("**/assets/index-*.js", async (route) => {
    await held;
    await route.continue();
  });
  const list = page.waitForResponse((answer) => answer.url().includes("/api/v1/tickets?"));
  const loaded = page.reload();
  await list;
  await place.call(ana.token, "POST", "/tickets", { title: "Printer jams", description: "d" });
  release();
  await loaded;
  await page.getByRole("button", { name: "1 new ticket: show it" }).waitFor();
});

desk("the stream begins first, so that nothing is asked twice", async (_place, _people, arrive) => {
  const { page } = await arrive("eva@example.com", "/inbox");
  await page.locator(".nav-count").nth(3).waitFor();
  const asked = [];
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (pathname.startsWith("/api/")) asked.push(pathname + search);
  });
  await page.reload();
  await row(page, "VPN drops").waitFor();
  await page.locator(".nav-count").nth(3).waitFor();
  const lists = asked.filter((call) => call.startsWith("/api/v1/tickets?"));
  assert.ok(asked.indexOf("/api/v1/events") < asked.indexOf(lists[0]), asked.join("\n"));
  // The list, and the counts of four views.
  assert.equal(lists.length, 5, asked.join("\n"));
});

desk("one stream serves all tabs, and another tab takes it over", async (place, { tom }, arrive) => {
  const first = await arrive("eva@example.com", "/tickets/1");
  const second = await first.tab(browser);
  await second.open("/tickets/1");
  await second.page.getByRole("heading", { name: "VPN drops" }).waitFor();
  await place.call(tom.token, "POST", "/tickets/1/comments", { content: "One." });
  for (const { page } of [first, second]) await page.locator(".said", { hasText: "One." }).waitFor();
  await first.page.close();
  await place.call(tom.token, "POST", "/tickets/1/comments", { content: "Two." });
  await second.page.locator(".said", { hasText: "Two." }).waitFor();
  second.quiet();
});

desk("a session that ends elsewhere asks to sign in, and goes on where one was", async (place, { eva }, arrive) => {
  const visitor = await arrive("eva@example.com", "/tickets/1");
  const { page } = visitor;
  visitor.provoke(/401/);
  await page.getByRole("textbox", { name: "Reply" }).fill("Half a sen");
  for (const session of await place.call(eva.token, "GET", "/auth/sessions")) {
    if (!session.current) await place.call(eva.token, "DELETE", `/auth/sessions/${session.id}`);
  }
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByText("Your session has ended.").waitFor();
  assert.match(page.url(), /\/tickets\/1$/);
  await visitor.fillSignIn("eva@example.com");
  await page.getByRole("heading", { name: "VPN drops" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "Reply" }).inputValue(), "Half a sen");
});

desk("signing out in one tab signs out the others", async (_place, _people, arrive) => {
  const first = await arrive("eva@example.com", "/inbox");
  const second = await first.tab(browser);
  second.provoke(/401/);
  first.provoke(/401/);
  await second.open("/tickets/1");
  await second.page.getByRole("heading", { name: "VPN drops" }).waitFor();
  await first.page.getByRole("button", { name: "Eva Marín" }).click();
  await first.page.getByRole("menuitem", { name: "Sign out" }).click();
  for (const { page } of [first, second]) await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await first.page.reload();
  await first.page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await first.page.getByText("Your session has ended.").count(), 0);
  second.quiet();
});

desk("a draft survives a reload", async (_place, _people, arrive) => {
  const { page } = await arrive("eva@example.com", "/tickets/1");
  await page.getByRole("textbox", { name: "Reply" }).fill("A thought");
  await page.getByRole("tab", { name: "Note" }).click();
  await page.getByRole("textbox", { name: "Internal note" }).fill("A doubt");
  await page.reload();
  await page.getByRole("heading", { name: "VPN drops" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "Reply" }).inputValue(), "A thought");
  await page.getByRole("tab", { name: "Note" }).click();
  assert.equal(await page.getByRole("textbox", { name: "Internal note" }).inputValue(), "A doubt");
});

desk("a desk that goes away and comes back loses nothing, and sends once", async (place, { eva }, arrive) => {
  const visitor = await arrive("eva@example.com", "/tickets/1");
  const { page } = visitor;
  visitor.provoke(/ERR_|50\d/);
  await page.getByRole("textbox", { name: "Reply" }).fill("Which client version?");
  await place.down();
  await page.getByText("No connection to the desk.").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Not sent yet: the desk is away.").waitFor();
  assert.equal(await page.getByRole("textbox", { name: "Reply" }).inputValue(), "Which client version?");
  await place.up();
  await page.locator(".said", { hasText: "Which client version?" }).waitFor();
  await page.getByText("No connection to the desk.").waitFor({ state: "detached" });
  assert.equal(await page.getByRole("textbox", { name: "Reply" }).inputValue(), "");
  const comments = await place.call(eva.token, "GET", "/tickets/1/comments");
  assert.deepEqual(
    comments.map((comment) => comment.content),
    ["Which client version?"],
  );
});

desk("every tab says that the desk is away, and when it is back", async (place, _people, arrive) => {
  const first = await arrive("eva@example.com", "/tickets/1");
  const second = await first.tab(browser);
  for (const visitor of [first, second]) visitor.provoke(/ERR_|50\d/);
  await second.open("/tickets/1");
  await second.page.getByRole("heading", { name: "VPN drops" }).waitFor();
  await place.down();
  for (const { page } of [first, second]) await page.getByText("No connection to the desk.").waitFor();
  await place.up();
  for (const { page } of [first, second]) await page.getByText("No connection to the desk.").waitFor({ state: "detached" });
  second.quiet();
});
