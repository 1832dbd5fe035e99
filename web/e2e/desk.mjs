// The real binary with a storage of its own, and people in it, for one run of the browser tests.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BINARY = process.env.TAQUILLA_BIN ?? fileURLToPath(new URL("../../target/debug/taquilla", import.meta.url));

export const PASSWORD = "correct horse 1";

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Desk {
  /**
   * An empty desk that prints a set-up link; with `admin`, one that has an admin; with `demo`, one with so many tickets of
   * the demo, whose people all have `PASSWORD`.
   */
  static async start({ admin = true, demo = 0, env = {} } = {}) {
    const desk = new Desk();
    desk.dir = await mkdtemp(join(tmpdir(), "taquilla-e2e-"));
    desk.port = await freePort();
    desk.url = `http://127.0.0.1:${desk.port}`;
    desk.env = {
      PATH: process.env.PATH,
      HOME: desk.dir,
      TAQUILLA_AUTH__RATE_LIMIT: "off",
      ...(admin ? { TAQUILLA_BOOTSTRAP__ADMIN_EMAIL: "admin@example.com", TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD: PASSWORD } : {}),
      ...env,
    };
    if (demo) await desk.fill(demo);
    await desk.up();
    return desk;
  }

  /** Makes the demo's people and tickets; the same at every run, but for the time at which it ends. */
  async fill(tickets) {
    const flags = ["--tickets", String(tickets), "--password-stdin", "--storage-url", `sled:${join(this.dir, "data")}`];
    const filling = spawn(BINARY, ["demo", ...flags], { env: this.env, cwd: this.dir, stdio: ["pipe", "ignore", "pipe"] });
    let told = "";
    filling.stderr.on("data", (text) => {
      told += text;
    });
    filling.stdin.end(`${PASSWORD}\n`);
    const code = await new Promise((done) => filling.once("exit", done));
    if (code !== 0) throw new Error(`no demo: ${told}`);
  }

  async up() {
    this.printed = "";
    this.process = spawn(
      BINARY,
      ["serve", "--listen", `127.0.0.1:${this.port}`, "--storage-url", `sled:${join(this.dir, "data")}`],
      { env: this.env, cwd: this.dir, stdio: ["ignore", "pipe", "pipe"] },
    );
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on("data", (text) => {
        this.printed += text;
      });
    }
    for (let tries = 0; tries < 600; tries++) {
      if (this.process.exitCode !== null) throw new Error(`the desk ended: ${this.printed}`);
      if (
        await fetch(`${this.url}/health/ready`).then(
          (answer) => answer.ok,
          () => false,
        )
      )
        return;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`the desk does not start: ${this.printed}`);
  }

  async down() {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGTERM");
    await ended;
  }

  async end() {
    await this.down();
    await rm(this.dir, { recursive: true, force: true });
  }

  setupLink() {
    return this.printed.match(/https?:\/\/\S+\/setup#\S+/)?.[0];
  }

  /** Calls the API as somebody. */
  async call(token, method, path, json) {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(json ? { "content-type": "application/json" } : {}),
      },
      body: json && JSON.stringify(json),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  }

  async token(email, password = PASSWORD) {
    return (await this.call(undefined, "POST", "/auth/login", { username: email, password })).access_token;
  }

  /** Makes an account and gives its token and id. */
  async person(role, name) {
    const email = `${name.split(" ")[0].toLowerCase()}@example.com`;
    this.admin ??= await this.token("admin@example.com");
    const user = await this.call(this.admin, "POST", "/users", { email, full_name: name, password: PASSWORD, role });
    return { ...user, token: await this.token(email) };
  }
}
