// The pictures of the front page, over a demo desk: ./dev screenshots
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Desk, PASSWORD } from "./desk.mjs";
import { launch, Visitor } from "./visitor.mjs";

const FOLDER = new URL("../../docs/img/", import.meta.url);
const MOST = 2_000_000;
const AGENT = "eva.okafor@demo.example";
const ADMIN = "irene.vidal@demo.example";

/** File, whose view, address, what shows that it is there, and how it is looked at. */
const PICTURES = [
  ["inbox", AGENT, () => "/inbox", ".row-link", {}],
  ["board", AGENT, () => "/board", ".card", {}],
  ["ticket-dark", AGENT, (ticket) => `/tickets/${ticket}`, ".said", { theme: "dark" }],
  ["dashboard", ADMIN, () => "/dashboard?days=90", ".recharts-surface", {}],
  ["phone", AGENT, () => "/inbox", ".row-link", { phone: true }],
  ["phone-ticket", AGENT, (ticket) => `/tickets/${ticket}`, ".said", { phone: true }],
];

/** The newest ticket of an agent in which a requester was answered and colleagues were told something. */
async function lively(token) {
  const own = await desk.call(token, "GET", "/tickets?assigned_agent_id=me&sort=-updated_at&limit=200");
  for (const ticket of own.filter((one) => one.comment_count >= 3)) {
    const comments = await desk.call(token, "GET", `/tickets/${ticket.id}/comments`);
    if (comments.some((one) => one.is_internal)) return ticket.id;
  }
  return own[0].id;
}

const desk = await Desk.start({ admin: false, demo: 400 });
const browser = await launch();
try {
  const token = await desk.token(AGENT);
  const ticket = await lively(token);
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  for (const [name, who, path, sign, wanted] of PICTURES) {
    const visitor = await Visitor.arrive(browser, desk, wanted);
    const own = await desk.token(who);
    await desk.call(own, "PATCH", "/preferences", { theme: wanted.theme ?? "light" });
    await desk.call(own, "PATCH", "/auth/me", { locale: "en" });
    await visitor.signIn(who, PASSWORD, path(ticket));
    await visitor.page.locator(sign).first().waitFor();
    await visitor.page.locator(".bone").first().waitFor({ state: "detached" });
    await visitor.page.mouse.move(0, 0);
    await visitor.page.screenshot({ path: fileURLToPath(new URL(`${name}.png`, FOLDER)), animations: "disabled" });
    visitor.quiet();
    await visitor.leave();
  }
  const sizes = await Promise.all((await readdir(FOLDER)).map(async (name) => (await stat(new URL(name, FOLDER))).size));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`${sizes.length} pictures, ${(all / 1000).toFixed(0)} kB`);
  if (all > MOST) throw new Error(`the pictures are too large together: ${all} of ${MOST} bytes`);
} finally {
  await browser.close();
  await desk.end();
}
