// What each role comes for, in the order in which a desk lives: set up, staffed, asked, answered.
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

/** A test with a desk of its own and visitors who must have nothing to complain about. */
function desk(name, options, steps) {
  test(name, async () => {
    const place = await Desk.start(options);
    const visitors = [];
    const arrive = async (wanted) => {
      const visitor = await Visitor.arrive(browser, place, wanted);
      visitors.push(visitor);
      return visitor;
    };
    try {
      await attend(visitors, () => steps(place, arrive));
    } finally {
      await place.end();
    }
  });
}

const row = (page, title) => page.getByRole("row").filter({ hasText: title });

desk(
  "a first start leads through the wizard to the admin's inbox, and an admin makes an agent",
  { admin: false },
  async (place, arrive) => {
    const { page } = await arrive();
    await page.goto("/");
    await page.getByText("This desk is not set up yet.").waitFor();
    await page.goto(place.setupLink().replace(/^https?:\/\/[^/]+/, ""));
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("Please fill this in.").waitFor();
    await page.getByLabel("Name of the organisation").fill("Town hall");
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByLabel("Full name").fill("Ada Admin");
    await page.getByLabel("E-mail").fill("ada@example.com");
    await page.getByLabel("Password", { exact: true }).fill("short");
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByRole("textbox", { name: "Password" }).and(page.locator("[aria-invalid=true]")).waitFor();
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByRole("button", { name: "Set up" }).click();
    await page.getByRole("heading", { name: "Inbox › All open" }).waitFor();
    await page.getByText("Town hall").first().waitFor();
    assert.equal(new URL(page.url()).hash, "", "the token is gone from the address");

    await page.getByRole("link", { name: "People" }).click();
    await page.getByRole("button", { name: "New person" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Full name").fill("Eva Marín");
    await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await dialog.getByLabel("E-mail").fill("eva@example.com");
    await dialog.getByRole("button", { name: "Create" }).click();
    await page.getByRole("cell", { name: "eva@example.com" }).waitFor();
    await page.getByRole("link", { name: "Activity" }).click();
    await page.getByRole("cell", { name: "Account created" }).first().waitFor();
  },
);

desk("a requester registers, opens tickets, and withdraws one", {}, async (_place, arrive) => {
  const visitor = await arrive();
  const { page } = visitor;
  await visitor.open("/");
  await page.getByRole("link", { name: "Create an account" }).click();
  await page.getByLabel("Full name").fill("Ana Ruiz");
  await page.getByLabel("E-mail").fill("ana@example.com");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("heading", { name: "My tickets" }).waitFor();
  await page.getByText("You have no tickets.").waitFor();

  for (const title of ["VPN drops every hour", "A mistake"]) {
    await page.getByRole("navigation").getByRole("link", { name: "New ticket" }).click();
    await page.getByLabel("Title").fill(title);
    await page.getByLabel("Description").fill("Since the **update**, on the hour.");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.locator(".composer-preview strong", { hasText: "update" }).waitFor();
    await page.getByRole("button", { name: "Open ticket" }).click();
    await page.getByRole("heading", { name: title }).waitFor();
  }
  await page.getByRole("button", { name: "Withdraw" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Withdraw" }).click();
  await page.getByRole("heading", { name: "My tickets" }).waitFor();
  await page.getByRole("link", { name: /VPN drops every hour/ }).waitFor();
  assert.equal(await page.getByText("A mistake").count(), 0);
});

desk(
  "an agent finds a ticket, takes it by key, answers, notes and resolves; the requester reopens it by replying",
  {},
  async (place, arrive) => {
    const [eva, ana] = [await place.person("agent", "Eva Marín"), await place.person("user", "Ana Ruiz")];
    for (const title of ["VPN drops every hour", "Printer jams", "Screen flickers"]) {
      await place.call(ana.token, "POST", "/tickets", { title, description: "It does.", priority: "high" });
    }
    const agent = await arrive();
    const { page } = agent;
    await agent.signIn("eva@example.com");
    await row(page, "Printer jams").waitFor();
    await page.keyboard.press("/");
    // Somebody who thinks between two words: the space stays, whenever the address follows.
    await page.keyboard.type(" does ");
    await page.waitForURL(/q=status:active\+does$/);
    await page.keyboard.type("vpn");
    await row(page, "Printer jams").waitFor({ state: "detached" });
    await row(page, "VPN drops").waitFor();
    assert.match(page.url(), /q=status:active\+does\+vpn$/, "the search stands in the address");
    await page.keyboard.press("Enter");
    await page.keyboard.press("a");
    await page.getByRole("dialog").getByPlaceholder("Assign to").waitFor();
    await page.keyboard.type("Eva");
    await page.keyboard.press("Enter");
    await row(page, "VPN drops").getByText("Eva Marín").waitFor();
    await row(page, "VPN drops").getByText("In progress").waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "VPN drops every hour" }).waitFor();
    await page.keyboard.press("r");
    await page.getByRole("textbox", { name: "Reply" }).fill("Which **client** version?");
    await page.keyboard.press("Control+Enter");
    await page.locator(".said strong", { hasText: "client" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("n");
    await page.getByRole("textbox", { name: "Internal note" }).fill("Same as 4711?");
    await page.keyboard.press("Control+Enter");
    await page.locator(".said-note", { hasText: "Same as 4711?" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("s");
    await page.keyboard.type("Resolved");
    await page.keyboard.press("Enter");
    await page.locator(".event", { hasText: "In progress → Resolved" }).waitFor();
    assert.equal((await place.call(eva.token, "GET", "/tickets/1")).status, "resolved");

    const requester = await arrive();
    await requester.signIn("ana@example.com", PASSWORD, "/tickets/1");
    await requester.page.getByText("Which client version?").waitFor();
    assert.equal(await requester.page.getByText("Same as 4711?").count(), 0, "a note is not for requesters");
    await requester.page.getByRole("textbox", { name: "Reply" }).fill("4.2, and it still drops.");
    await requester.page.getByRole("button", { name: "Send" }).click();
    await requester.page.locator(".event", { hasText: "Resolved → In progress" }).waitFor();
  },
);

desk("keys choose for what is shown, so they wait for the list", {}, async (place, arrive) => {
  const [, ana] = [await place.person("agent", "Eva Marín"), await place.person("user", "Ana Ruiz")];
  await place.call(ana.token, "POST", "/tickets", { title: "VPN drops", description: "d" });
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com");
  await row(page, "VPN drops").waitFor();
  let release;
  const released = new Promise((done) => {
    release = done;
  });
  await page.route(/tickets\?.*q=vpn/, async (route) => {
    await released;
    await route.continue();
  });
  await page.keyboard.press("/");
  await page.keyboard.type(" vpn");
  await page.keyboard.press("Enter");
  // The rows of the list before stay in sight until the new ones are there.
  await page.locator('[role="table"][aria-busy="true"]').waitFor();
  await row(page, "VPN drops").waitFor();
  await page.keyboard.press("a");
  await page.keyboard.press("s");
  assert.equal(await page.getByRole("dialog").count(), 0, "there is nothing to choose for");
  release();
  await page.locator('[role="table"][aria-busy="false"]').waitFor();
  await row(page, "VPN drops").waitFor();
  await page.keyboard.press("a");
  await page.getByRole("dialog").getByPlaceholder("Assign to").waitFor();
});

desk("a bulk change is taken back by undo, and sent on leaving", {}, async (place, arrive) => {
  const [eva, ana] = [await place.person("agent", "Eva Marín"), await place.person("user", "Ana Ruiz")];
  for (let n = 1; n <= 5; n++) await place.call(ana.token, "POST", "/tickets", { title: `Ticket no. ${n}`, description: "d" });
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com");
  await row(page, "Ticket no. 5").waitFor();
  const selectThree = async () => {
    for (const n of [5, 4, 3]) await page.getByRole("checkbox", { name: `Select ticket ${n}` }).check();
  };
  const raise = async () => {
    await page.getByRole("toolbar").getByRole("button", { name: "Priority" }).click();
    await page.keyboard.type("Critical");
    await page.keyboard.press("Enter");
    await page.getByText("3 tickets changed: Priority → Critical.").first().waitFor();
  };
  const stored = async () => (await place.call(eva.token, "GET", "/tickets?sort=id")).map((ticket) => ticket.priority);
  await selectThree();
  await raise();
  await row(page, "Ticket no. 5").getByRole("img", { name: "Priority: Critical" }).waitFor();
  await place.call(ana.token, "PATCH", "/tickets/5", { title: "Ticket no. 5, and more" });
  await row(page, "and more").getByRole("img", { name: "Priority: Critical" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await row(page, "and more").getByRole("img", { name: "Priority: Medium" }).waitFor();
  assert.deepEqual(await stored(), Array(5).fill("medium"), "nothing was sent");
  await selectThree();
  await raise();
  const sent = page.waitForResponse((answer) => answer.url().endsWith("/tickets/bulk"));
  await page.getByRole("link", { name: "Dashboard" }).click();
  assert.equal((await sent).status(), 200);
  assert.deepEqual(await stored(), ["medium", "medium", "critical", "critical", "critical"]);
});

desk("what one may not do is refused for each ticket and shown as it was", {}, async (place, arrive) => {
  const ana = await place.person("user", "Ana Ruiz");
  await place.person("agent", "Eva Marín");
  await place.call(ana.token, "POST", "/tickets", { title: "Not mine", description: "d" });
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com");
  await row(page, "Not mine").waitFor();
  await page.keyboard.press("s");
  await page.keyboard.type("Resolved");
  await page.keyboard.press("Enter");
  await row(page, "Not mine").getByText("Resolved").waitFor();
  await page.getByText(/1 ticket could not be changed/).waitFor();
  await row(page, "Not mine").getByText("Open").waitFor();
});

desk("views are saved and deleted, the list is downloaded, the palette goes everywhere", {}, async (place, arrive) => {
  const [, ana] = [await place.person("agent", "Eva Marín"), await place.person("user", "Ana Ruiz")];
  await place.call(ana.token, "POST", "/tickets", { title: "=1+1", description: "d", tags: ["vpn"] });
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com", PASSWORD, "/inbox?q=tag:vpn&sort=-priority");
  await row(page, "=1+1").waitFor();
  await page.getByRole("button", { name: "Save view" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Tunnels");
  await page.getByRole("dialog").getByRole("button", { name: "Save view" }).click();
  await page.getByRole("link", { name: "Tunnels" }).waitFor();
  await page.reload();
  await page.getByRole("link", { name: "All open" }).click();
  await page.getByRole("link", { name: "Tunnels" }).click();
  await page.waitForURL(/q=tag:vpn&sort=-priority/);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download as CSV" }).click();
  const chunks = [];
  for await (const chunk of await (await download).createReadStream()) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  assert.match(text, /^\ufeffid,title,status,/);
  assert.match(text, /\r\n1,'=1\+1,open,/);
  await page.getByRole("button", { name: "Delete view Tunnels" }).click();
  await page.getByRole("link", { name: "Tunnels" }).waitFor({ state: "detached" });

  await page.keyboard.press("Control+k");
  await page.keyboard.type("board");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/board/);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("1");
  await page.getByText("Open ticket 1", { exact: true }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "=1+1" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
});

desk("a card is moved on the board by key", {}, async (place, arrive) => {
  const [eva, ana] = [await place.person("agent", "Eva Marín"), await place.person("user", "Ana Ruiz")];
  await place.call(ana.token, "POST", "/tickets", { title: "Move me", description: "d" });
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com", PASSWORD, "/board");
  await page.getByRole("region", { name: "Open" }).getByRole("link", { name: "Move me" }).focus();
  await page.keyboard.press("s");
  await page.keyboard.type("Pending");
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "Pending" }).getByRole("link", { name: "Move me" }).waitFor();
  const changed = await place.call(eva.token, "GET", "/tickets/1");
  assert.equal(changed.status, "pending");
});

desk("a card is moved on the board by dragging", {}, async (place, arrive) => {
  const ana = await place.person("user", "Ana Ruiz");
  await place.person("agent", "Eva Marín");
  await place.call(ana.token, "POST", "/tickets", { title: "Drag me", description: "d" });
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com", PASSWORD, "/board");
  const saved = page.waitForResponse((answer) => answer.request().method() === "PATCH" && answer.url().endsWith("/tickets/1"));
  await page
    .getByRole("listitem")
    .filter({ hasText: "Drag me" })
    .dragTo(page.getByRole("region", { name: "In progress" }), { sourcePosition: { x: 60, y: 45 } });
  assert.equal((await saved).status(), 200);
  await page.getByRole("region", { name: "In progress" }).getByRole("link", { name: "Drag me" }).waitFor();
});

desk("the board goes by keyboard: from card to card, and what the keys do to one", {}, async (place, arrive) => {
  const [eva, ana] = [await place.person("agent", "Eva Marín"), await place.person("user", "Ana Ruiz")];
  for (const title of ["First", "Second"]) await place.call(ana.token, "POST", "/tickets", { title, description: "d" });
  await place.call(eva.token, "PATCH", "/tickets/1", { status: "pending" });
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com", PASSWORD, "/board");
  const focused = (title) => page.locator(".card-title:focus", { hasText: title }).waitFor();
  await page.getByRole("link", { name: "Second" }).waitFor();
  await page.getByRole("link", { name: "First" }).waitFor();
  await page.keyboard.press("j");
  await focused("Second");
  await page.keyboard.press("ArrowRight");
  await focused("First");
  await page.keyboard.press("p");
  await page.keyboard.type("Critical");
  await page.keyboard.press("Enter");
  await page.getByRole("listitem").filter({ hasText: "First" }).getByRole("img", { name: "Priority: Critical" }).waitFor();
  await page.getByRole("link", { name: "First" }).focus();
  const saved = page.waitForResponse((answer) => answer.request().method() === "PATCH" && answer.url().endsWith("/tickets/1"));
  await page.keyboard.press("a");
  await page.keyboard.type("Eva");
  await page.keyboard.press("Enter");
  assert.equal((await saved).status(), 200);
  await page.getByRole("listitem").filter({ hasText: "First" }).getByText("Eva Marín").waitFor();
});

desk("people are mentioned by @, and stand out where it is read", {}, async (place, arrive) => {
  for (const [role, name] of [
    ["agent", "Eva Marín"],
    ["agent", "Tom Okafor"],
  ]) {
    await place.person(role, name);
  }
  const ana = await place.person("user", "Ana Ruiz");
  await place.call(ana.token, "POST", "/tickets", { title: "VPN drops", description: "d" });
  const eva = await arrive();
  const { page } = eva;
  await eva.signIn("eva@example.com", PASSWORD, "/tickets/1");
  await page.getByRole("heading", { name: "VPN drops" }).waitFor();
  await page.keyboard.press("r");
  const box = page.getByRole("textbox", { name: "Reply" });
  await box.pressSequentially("Ask @to");
  await page.getByRole("option", { name: "Tom Okafor" }).waitFor();
  assert.equal(await page.getByRole("option").count(), 1);
  await page.keyboard.press("Enter");
  await box.pressSequentially("and @ana");
  await page.getByRole("option", { name: "Ana Ruiz" }).click();
  assert.equal(await box.inputValue(), "Ask @Tom Okafor and @Ana Ruiz ");
  await page.keyboard.press("Control+Enter");
  await page.locator(".said .mention", { hasText: "@Tom Okafor" }).waitFor();
  assert.equal(await page.locator(".mention-me").count(), 0);

  const tom = await arrive();
  await tom.signIn("tom@example.com", PASSWORD, "/tickets/1");
  await tom.page.locator(".said .mention-me", { hasText: "@Tom Okafor" }).waitFor();
  const requester = await arrive();
  await requester.signIn("ana@example.com", PASSWORD, "/tickets/1");
  await requester.page.locator(".said .mention-me", { hasText: "@Ana Ruiz" }).waitFor();
  await requester.page.getByRole("textbox", { name: "Reply" }).pressSequentially("@");
  await requester.page.getByRole("option", { name: "Eva Marín" }).waitFor();
  await requester.page.keyboard.press("Escape");
  await requester.page.getByRole("option").first().waitFor({ state: "detached" });
});

desk("an admin restores what was deleted: at once, or from the list of deleted tickets", {}, async (place, arrive) => {
  const ana = await place.person("user", "Ana Ruiz");
  for (const title of ["Kept", "Lost", "Gone"]) await place.call(ana.token, "POST", "/tickets", { title, description: "d" });
  const admin = await arrive();
  const { page } = admin;
  admin.provoke(/404/);
  await admin.signIn("admin@example.com", PASSWORD, "/tickets/2");
  const remove = async () => {
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("Ticket deleted.").waitFor();
  };
  await remove();
  const restored = page.waitForResponse((answer) => answer.url().endsWith("/tickets/2/restore"));
  await page.getByRole("button", { name: "Undo" }).click();
  assert.ok((await restored).ok());
  await row(page, "Lost").waitFor();
  for (const id of [2, 3]) await place.call(place.admin, "DELETE", `/tickets/${id}`);

  await page.keyboard.press("Control+k");
  await page.keyboard.type("deleted");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Inbox › Deleted tickets" }).waitFor();
  await row(page, "Gone").waitFor();
  await page.keyboard.press("x");
  await page.getByRole("toolbar").getByRole("button", { name: "Restore" }).click();
  await page.getByText("1 ticket restored.").waitFor();
  await row(page, "Gone").waitFor({ state: "detached" });
  await row(page, "Lost").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await page.getByRole("heading", { name: "Lost" }).waitFor();
  assert.equal((await place.call(ana.token, "GET", "/tickets")).length, 3);
});

desk("language and colours are kept with the account", {}, async (place, arrive) => {
  await place.person("agent", "Eva Marín");
  const first = await arrive();
  await first.signIn("eva@example.com", PASSWORD, "/settings");
  await first.page.getByText("Dark", { exact: true }).click();
  await first.page.locator("html[data-mantine-color-scheme=dark]").waitFor();
  await first.page.getByText("Español", { exact: true }).click();
  await first.page.getByRole("heading", { name: "Ajustes" }).waitFor();
  await first.page
    .getByRole("link", { name: "Bandeja" })
    .or(first.page.getByRole("link", { name: "Todos los abiertos" }))
    .first()
    .waitFor();
  const second = await arrive();
  await second.signIn("eva@example.com");
  await second.page.getByRole("heading", { name: "Bandeja › Todos los abiertos" }).waitFor();
  await second.page.locator("html[data-mantine-color-scheme=dark]").waitFor();
});

desk("sessions and API tokens are managed, passwords changed", {}, async (place, arrive) => {
  const eva = await place.person("agent", "Eva Marín");
  const agent = await arrive();
  const { page } = agent;
  await agent.signIn("eva@example.com", PASSWORD, "/settings/tokens");
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("What for").fill("script");
  await page.getByRole("button", { name: "Make token" }).click();
  const secret = await page.getByRole("dialog").locator("code").textContent();
  assert.equal((await place.call(secret, "GET", "/auth/me")).email, "eva@example.com");
  await page.getByRole("dialog").getByRole("button", { name: "Done" }).last().click();
  await page.getByRole("button", { name: "Revoke the token script" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("No tokens.").waitFor();
  await page.getByRole("tab", { name: "Sessions" }).click();
  await page.getByText("(this one)").waitFor();
  await page
    .getByRole("button", { name: /^End the session on/ })
    .nth(1)
    .waitFor();
  await page.getByRole("tab", { name: "Profile" }).click();
  agent.provoke(/403.*\/auth\/me/);
  await page.getByLabel("Current password").fill("wrong words 1");
  await page.getByLabel("New password").fill("another horse 2");
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("This is not your current password.").waitFor();
  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("Password changed.").waitFor();
  await assert.rejects(place.call(eva.token, "GET", "/auth/me"), /401/, "the other session has ended");
});

desk("an admin sets the desk's name, targets and registration, and disables an account", {}, async (place, arrive) => {
  const eva = await place.person("agent", "Eva Marín");
  const admin = await arrive();
  const { page } = admin;
  await admin.signIn("admin@example.com", PASSWORD, "/settings/desk");
  await page.getByLabel("Name of the organisation").fill("Harbour office");
  await page.getByRole("switch", { name: "Strangers may create an account" }).uncheck();
  await page.getByLabel("First answer, High").fill("15");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.getByText("Harbour office").first().waitFor();
  const settings = await place.call(await place.token("admin@example.com"), "GET", "/settings");
  assert.equal(settings.registration_open, false);
  assert.equal(settings.sla.high.first_response_minutes, 15);
  await page.getByRole("tab", { name: "Status" }).click();
  await page.getByText("✓ Works").waitFor();
  await page.getByText("Not set up: nothing is pushed.").waitFor();
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: "Actions for Eva Marín" }).click();
  await page.getByRole("menuitem", { name: "Disable" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await row(page, "Eva Marín").getByText("Disabled").waitFor();
  await assert.rejects(place.call(eva.token, "GET", "/auth/me"), /401/);
});

desk("a wrong password and a field left out are told at the field", {}, async (_place, arrive) => {
  const visitor = await arrive();
  visitor.provoke(/401.*\/auth\/login/);
  await visitor.open("/");
  await visitor.page.getByRole("button", { name: "Sign in" }).click();
  await visitor.page.getByText("Please fill this in.").waitFor();
  await visitor.fillSignIn("admin@example.com", "wrong words 1");
  await visitor.page.getByText("E-mail or password is wrong.").waitFor();
  assert.equal(await visitor.page.getByLabel("Password", { exact: true }).getAttribute("aria-invalid"), "true");
});
