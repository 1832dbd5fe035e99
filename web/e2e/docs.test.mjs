// The pages of the document: they draw, with nothing from elsewhere, and Swagger UI calls the desk.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Desk } from "./desk.mjs";
import { attend, launch, Visitor } from "./visitor.mjs";

let browser;
let desk;
before(async () => {
  browser = await launch();
  desk = await Desk.start();
});
after(async () => {
  await browser?.close();
  await desk?.end();
});

/** Opens a page that must load nothing from anywhere but the desk. */
async function open(path, steps) {
  const visitor = await Visitor.arrive(browser, desk);
  const strangers = [];
  visitor.page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== "data:" && protocol !== "blob:" && origin !== desk.url) strangers.push(request.url());
  });
  await attend([visitor], async () => {
    await visitor.open(path);
    await steps(visitor.page);
    assert.deepEqual(strangers, []);
  });
}

test("Swagger UI shows the document and tries a call out", async () => {
  await open("/docs", async (page) => {
    await page.getByRole("heading", { name: /Taquilla/ }).waitFor();
    const call = page.locator(".opblock", { has: page.locator("[data-path='/api/v1/desk']") });
    await call.locator(".opblock-summary-control").click();
    await call.getByRole("button", { name: "Try it out" }).click();
    await call.getByRole("button", { name: "Execute" }).click();
    await call.locator(".live-responses-table .response-col_status", { hasText: "200" }).waitFor();
    await call.locator(".live-responses-table .highlight-code", { hasText: "organisation_name" }).waitFor();
  });
});

test("ReDoc shows the document", async () => {
  await open("/redoc", async (page) => {
    await page
      .getByRole("heading", { name: /Taquilla/ })
      .first()
      .waitFor();
    await page.locator("[data-section-id]").filter({ hasText: "/api/v1/tickets" }).first().waitFor();
  });
});
