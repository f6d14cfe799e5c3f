import { readdirSync } from "node:fs";
import { defineConfig } from "vite";
import { alias } from "./vite.config.ts";

const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));

/** The unit tests as files that Node.js runs, of whatever version. */
export default defineConfig({
  resolve: { alias },
  define: { __LITERT_VERSION__: '"0.0.0"', __PAGE_VERSION__: '"0.0.0"' },
  publicDir: false,
  build: {
    ssr: true,
    outDir: ".test",
    minify: false,
    rolldownOptions: { input: tests.map((name) => `test/${name}`) },
  },
});
