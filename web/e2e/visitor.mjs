// Somebody at a browser. Whatever the page complains about is kept, and fails the test unless the test provoked it.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { PASSWORD } from "./desk.mjs";

export async function launch() {
  return chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/**
 * Takes steps, after which no visitor may have anything to complain about, and lets all of them leave. When a step fails, it
 * is printed what each of them had before their eyes.
 */
export async function attend(visitors, steps) {
  try {
    await steps();
    for (const visitor of visitors) visitor.quiet();
  } catch (error) {
    for (const visitor of visitors) console.error(await visitor.sight());
    throw error;
  } finally {
    for (const visitor of visitors) await visitor.leave();
  }
}

export class Visitor {
  static async arrive(browser, desk, { locale = "en", theme = "light", phone = false, context } = {}) {
    const visitor = new Visitor();
    visitor.desk = desk;
    visitor.faults = [];
    visitor.provoked = [];
    visitor.context =
      context ??
      (await browser.newContext({
        baseURL: desk.url,
        locale: locale === "es" ? "es-ES" : "en-GB",
        colorScheme: theme,
        viewport: phone ? { width: 390, height: 780 } : { width: 1280, height: 800 },
        hasTouch: phone,
        isMobile: phone,
        acceptDownloads: true,
        reducedMotion: "reduce",
      }));
    const page = await visitor.context.newPage();
    visitor.page = page;
    page.setDefaultTimeout(Number(process.env.E2E_TIMEOUT ?? 60_000));
    page.on("pageerror", (error) => visitor.faults.push(`uncaught: ${error.stack}`));
    page.on("dialog", (dialog) => {
      visitor.faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      const text = message.text();
      const where = message.location().url;
      const network = text.startsWith("Failed to load resource");
      if (network && visitor.provoked.some((pattern) => pattern.test(`${text} ${where}`))) return;
      visitor.faults.push(`console: ${text} ${where}`);
    });
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
      });
    });
    return visitor;
  }

  /** Says that the test itself has the desk refuse this. */
  provoke(pattern) {
    this.provoked.push(pattern);
  }

  async open(path) {
    await this.page.goto(path);
  }

  async signIn(email, password = PASSWORD, path = "/") {
    await this.open(path);
    await this.fillSignIn(email, password);
    await this.page.getByRole("main").waitFor();
    await this.page.locator(".shell").waitFor();
  }

  async fillSignIn(email, password = PASSWORD) {
    await this.page.getByRole("textbox", { name: /^(E-mail|Correo electrónico)$/ }).fill(email);
    await this.page.getByLabel(/^(Password|Contraseña)$/).fill(password);
    await this.page.getByRole("button", { name: /^(Sign in|Iniciar sesión)$/ }).click();
  }

  /** Another tab of the same browser. */
  async tab(browser) {
    return Visitor.arrive(browser, this.desk, { context: this.context });
  }

  quiet() {
    assert.deepEqual(this.faults, []);
  }

  /** What the page shows, in words. */
  async sight() {
    const shown = await this.page.locator("body").ariaSnapshot({ timeout: 5_000 }).catch(String);
    return [this.page.url(), ...this.faults, shown].join("\n");
  }

  async leave() {
    await this.context.close();
  }
}
