import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { copyRuntime, listFiles } from "./build/plugins.ts";
import self from "./package.json" with { type: "json" };

const client = new URL("../../../mobile_assets/clients/typescript/src/index.ts", import.meta.url);

export const alias = { ghostlens: fileURLToPath(client) };

export default defineConfig({
  base: "/scan/",
  resolve: { alias },
  define: { __PAGE_VERSION__: JSON.stringify(self.version) },
  plugins: [copyRuntime(), listFiles()],
  // LiteRT.js brings its runtime in by importScripts, which only classic workers have.
  worker: { format: "iife" },
  build: {
    outDir: "../built",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      // What `try` exports can be imported in a browser's console, and is by tests.
      preserveEntrySignatures: "exports-only",
      input: { page: "index.html", sw: "src/offline/sw.ts", try: "src/try/try.tsx" },
      output: {
        // The service worker's address must stay, and templates name what they load.
        entryFileNames: (chunk) =>
          chunk.name === "page" ? "assets/[name]-[hash].js" : "[name].js",
      },
    },
  },
});
