// Builds web/dist, which the binary carries: our pages as they are, and ReDoc's bundle with its licences.
// The same sources give the same bytes. The folder, as seen from here, may be given: node build.mjs ../other
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";

const dist = new URL(`${process.argv[2] ?? "dist"}/`, import.meta.url);
const pages = new URL("pages/", import.meta.url);
const redoc = new URL("node_modules/redoc/", import.meta.url);

// ReDoc shows a logo from its maker's network, which our policy forbids and which nobody needs.
const LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg";
const NO_LOGO = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";

async function bundle() {
  const script = await readFile(new URL("bundles/redoc.standalone.js", redoc), "utf8");
  if (!script.includes(LOGO)) throw new Error("ReDoc's bundle has changed: its logo is somewhere else");
  return script.replaceAll(LOGO, NO_LOGO).replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n");
}

async function licences() {
  const files = ["LICENSE", "bundles/redoc.standalone.js.LICENSE.txt"];
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, redoc), "utf8")));
  return texts.map((text) => text.trim()).join("\n\n") + "\n";
}

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await cp(pages, dist, { recursive: true });
await writeFile(new URL("redoc/redoc.standalone.js", dist), await bundle());
await writeFile(new URL("redoc/LICENSE.txt", dist), await licences());
