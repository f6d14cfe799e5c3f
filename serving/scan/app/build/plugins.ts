/** What the build adds to what Vite makes: the runtime's files, and a list for the service worker. */

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** The versions of LiteRT.js that are served: with relaxed SIMD, and with plain SIMD (Safari). */
const VARIANTS = ["litert_wasm_internal", "litert_wasm_compat_internal"];
const LIST = "__FILES__";
const HASH_DIGITS = 16;

/**
 * Puts the runtime's files beside the page's, and compresses all WebAssembly: 9.4 MB become 2.8 MB,
 * and the server decompresses for the few that take no gzip. The folder of the runtime names its
 * version, so that caches may keep it for ever.
 */
export function copyRuntime(): Plugin {
  return {
    name: "copy-runtime",
    apply: "build",
    generateBundle(_options, bundle) {
      const { folder, version } = findRuntime();
      for (const name of VARIANTS.flatMap((variant) => [`${variant}.js`, `${variant}.wasm`])) {
        const source = gzipSync(readFileSync(join(folder, "wasm", name)), { level: 9 });
        this.emitFile({ type: "asset", fileName: `litert/${version}/${name}.gz`, source });
      }
      for (const [name, output] of Object.entries(bundle)) {
        if (output.type !== "asset" || !name.endsWith(".wasm")) continue;
        const source = gzipSync(output.source, { level: 9 });
        this.emitFile({ type: "asset", fileName: `${name}.gz`, source });
        delete bundle[name];
      }
    },
    config: () => ({ define: { __LITERT_VERSION__: JSON.stringify(findRuntime().version) } }),
  };
}

function findRuntime(): { folder: string; version: string } {
  const main = createRequire(import.meta.url).resolve("@litertjs/core");
  const folder = dirname(dirname(main));
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return { folder, version };
}

/** Writes into the service worker which files the page is made of, each with its hash. */
export function listFiles(): Plugin {
  let publicFolder = "";
  return {
    name: "list-files",
    apply: "build",
    enforce: "post",
    configResolved(config) {
      publicFolder = config.publicDir;
    },
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const sources = new Map<string, string | Uint8Array>();
        // Vite copies these past the bundle.
        for (const name of readdirSync(publicFolder)) {
          sources.set(name, readFileSync(join(publicFolder, name)));
        }
        for (const [name, output] of Object.entries(bundle)) {
          if (name === "sw.js" || name === "try.js" || name.startsWith("litert/")) continue;
          // What is fetched when it is needed, and only with a network: the decoder of deltas.
          if (output.type === "chunk" ? output.isDynamicEntry : name.endsWith(".wasm.gz")) continue;
          sources.set(name, output.type === "chunk" ? output.code : output.source);
        }
        const listed: Record<string, string> = {};
        for (const name of [...sources.keys()].sort()) {
          const hash = createHash("sha256").update(sources.get(name) ?? "");
          listed[name] = hash.digest("hex").slice(0, HASH_DIGITS);
        }
        const worker = bundle["sw.js"];
        if (worker?.type !== "chunk" || !worker.code.includes(LIST) || worker.imports.length > 0) {
          this.error(`sw.js must hold ${LIST}, the place of the list of files, and import nothing`);
        }
        worker.code = worker.code.replace(LIST, JSON.stringify(JSON.stringify(listed)).slice(1, -1));
      },
    },
  };
}
