import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vitest/config";

/** What asks the desk before the app is there: src/api/early.ts with all that it needs, and nothing that draws. */
const EARLY =
  /\/src\/(api\/|lib\/(live|search|unheard)\.)|\/(openapi-fetch|query-core)\/|react-query\/build\/modern\/(infiniteQ|q)ueryOptions\./;

/** Has the early script run as soon as it is there, and not only when the app's and the styles have come as well. */
const early: Plugin = {
  name: "early",
  transformIndexHtml: {
    order: "post",
    handler(html, { bundle }) {
      if (!bundle) return html;
      const chunk = Object.values(bundle).find((one) => one.type === "chunk" && one.name === "early");
      if (chunk?.type !== "chunk") throw new Error("there is no early script: EARLY names none of its parts");
      if (chunk.imports.length > 0)
        throw new Error(`the early script waits for ${chunk.imports}: EARLY has to name what is in there`);
      return html.replace(
        / *<script type="module"/,
        `    <script type="module" async crossorigin src="/${chunk.fileName}"></script>\n$&`,
      );
    },
  },
};

// The server gives /assets/* for ever and puts a fresh nonce into index.html.
export default defineConfig({
  plugins: [react(), early],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "early", test: EARLY, priority: 1 },
            // What the first page needs comes in one piece, not in one for each part that other pages use as well.
            { name: "first", tags: ["$initial"] },
          ],
        },
      },
    },
  },
  test: { include: ["src/**/*.test.ts"] },
  // For `npx vite`: the desk itself answers the API.
  server: { proxy: { "/api": "http://127.0.0.1:8000", "/health": "http://127.0.0.1:8000" } },
});
