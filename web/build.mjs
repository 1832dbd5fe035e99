// Builds web/dist, which the binary carries: the app, our pages for the API's document, and the bundles of Swagger UI and
// ReDoc with their licences. The same sources give the same bytes. The folder, as seen from here, may be given: node build.mjs ../other
import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const here = new URL(".", import.meta.url);
const dist = new URL(`${process.argv[2] ?? "dist"}/`, here);
const pages = new URL("pages/", here);
const redoc = new URL("node_modules/redoc/", here);
const swagger = new URL("node_modules/swagger-ui-dist/", here);

/** What the app may weigh, in bytes: what is loaded first is compressed, the whole is as it lies there. */
const BUDGET = { entryScript: 300_000, styles: 30_000, all: 4_000_000 };

// ReDoc shows a logo from its maker's network, which our policy forbids and which nobody needs.
const LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg";
const NO_LOGO = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";

/** A file as its maker ships it, without the address of a source map that is not carried. */
async function shipped(file) {
  const text = await readFile(file, "utf8");
  return `${text.replace(/\n\/(?:\/# sourceMappingURL=.*|\*# sourceMappingURL=.*\*\/)\s*$/, "").trimEnd()}\n`;
}

async function together(from, files) {
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, from), "utf8")));
  return `${texts.map((text) => text.trim()).join("\n\n")}\n`;
}

/** Of Swagger UI, what its page loads. */
async function swaggerInto(folder) {
  for (const file of ["swagger-ui.css", "swagger-ui-bundle.js"]) {
    await writeFile(new URL(file, folder), await shipped(new URL(file, swagger)));
  }
  const licences = await together(swagger, ["NOTICE", "LICENSE", "swagger-ui-bundle.js.LICENSE.txt"]);
  await writeFile(new URL("LICENSE.txt", folder), licences);
}

async function redocInto(folder) {
  const script = await shipped(new URL("bundles/redoc.standalone.js", redoc));
  if (!script.includes(LOGO)) throw new Error("ReDoc's bundle has changed: its logo is somewhere else");
  await writeFile(new URL("redoc.standalone.js", folder), script.replaceAll(LOGO, NO_LOGO));
  const licences = await together(redoc, ["LICENSE", "bundles/redoc.standalone.js.LICENSE.txt"]);
  await writeFile(new URL("LICENSE.txt", folder), licences);
}

function tool(name, args) {
  const script = fileURLToPath(new URL(`node_modules/${name}`, here));
  execFileSync(process.execPath, [script, ...args], { cwd: fileURLToPath(here), stdio: "inherit" });
}

/** The client's types are those of the document. */
function types() {
  tool("openapi-typescript/bin/cli.js", ["../docs/openapi.json", "-o", "src/api/schema.d.ts", "--silent"]);
}

async function built() {
  const assets = new URL("assets/", dist);
  const names = await readdir(assets);
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(new URL(name, assets)) })));
}

/** Every class of Mantine that a script has, and that Mantine has styles for, is in our styles: src/styles/mantine.ts. */
async function styled(files) {
  const classes = (text) => new Set(text.match(/\bm_[0-9a-f]{6,8}\b/g));
  const all = (end) =>
    classes(
      files
        .filter((file) => file.name.endsWith(end))
        .map((file) => file.bytes)
        .join("\n"),
    );
  const [used, ours] = [all(".js"), all(".css")];
  const theirs = classes(await readFile(new URL("node_modules/@mantine/core/styles.css", here), "utf8"));
  const missing = [...used].filter((name) => theirs.has(name) && !ours.has(name));
  if (missing.length > 0) throw new Error(`add to src/styles/mantine.ts the styles of the components of ${missing.join(", ")}`);
}

async function sizes(files) {
  const html = await readFile(new URL("index.html", dist), "utf8");
  const packed = (chosen) => chosen.reduce((sum, file) => sum + gzipSync(file.bytes, { level: 9 }).length, 0);
  const entry = packed(files.filter((file) => file.name.endsWith(".js") && html.includes(file.name)));
  const styles = packed(files.filter((file) => file.name.endsWith(".css")));
  const all = files.reduce((sum, file) => sum + file.bytes.length, 0) + (await stat(new URL("index.html", dist))).size;
  const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(`entry script ${kb(entry)} gzip, styles ${kb(styles)} gzip, app ${kb(all)}`);
  for (const [name, size] of Object.entries({ entryScript: entry, styles, all })) {
    if (size > BUDGET[name]) throw new Error(`${name} is over its budget: ${kb(size)} of ${kb(BUDGET[name])}`);
  }
}

types();
if (process.argv[2] === "--types") process.exit(0);
tool("typescript/bin/tsc", ["--noEmit"]);
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await build({ root: fileURLToPath(here), logLevel: "warn", build: { outDir: fileURLToPath(dist), emptyOutDir: false } });
await cp(pages, dist, { recursive: true });
await swaggerInto(new URL("docs/", dist));
await redocInto(new URL("redoc/", dist));
const files = await built();
await styled(files);
await sizes(files);
