import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server gives /assets/* for ever and puts a fresh nonce into index.html.
export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1200,
    // What the first page needs comes in one piece, not in one for each part that other pages use as well.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "first", tags: ["$initial"] }] } } },
  },
  test: { include: ["src/**/*.test.ts"] },
  // For `npx vite`: the desk itself answers the API.
  server: { proxy: { "/api": "http://127.0.0.1:8000", "/health": "http://127.0.0.1:8000" } },
});
