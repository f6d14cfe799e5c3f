/**
 * The TUF client behind the command line of the public suite for TUF clients, tuf-conformance.
 *
 *     node conformance.js --metadata-dir DIR [--metadata-url URL] [--target-name NAME]...
 *         [--target-dir DIR] [--target-base-url URL] init ROOT|refresh|download
 *
 * The README says how the suite is run, and what came out.
 */

import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { webCryptography } from "../../src/crypto.js";
import { fileName } from "../../src/download.js";
import { GhostlensError } from "../../src/errors.js";
import { memoryStorage } from "../../src/storage/memory.js";
import type { Storage } from "../../src/storage/storage.js";
import { Updater } from "../../src/tuf/updater.js";
import { sha256 } from "./repository.js";

const TIMEOUT_MS = 10_000;
/** The suite's files are a few bytes; its test of endless data must not fill a disk. */
const MAX_BYTES = 1 << 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "metadata-dir": { type: "string", default: "." },
    "metadata-url": { type: "string", default: "" },
    "target-name": { type: "string", multiple: true, default: [] },
    "target-dir": { type: "string", default: "." },
    "target-base-url": { type: "string", default: "" },
  },
});
const folder = values["metadata-dir"];
const shippedRoot = join(folder, "shipped_root");

/** Metadata lie where the suite looks for them: each role below its own name. */
function metadataStorage(): Storage {
  const locate = (name: string): string => {
    const path = name.replace("trust/", "").replace("roles/", "");
    return join(folder, /^\d+\.root\.json$/.test(path) ? `history/${path}` : path);
  };
  return {
    ...memoryStorage(),
    read: (name) =>
      name.startsWith("files/") ? readDownloaded(name) : readFile(locate(name)).catch(() => null),
    async write(name, data) {
      await mkdir(dirname(locate(name)), { recursive: true });
      await writeFile(locate(name), data);
      if (locate(name).includes("history")) await writeFile(join(folder, "root.json"), data);
    },
  };
}

/** Returns the file of that hash from where the suite wants downloads to lie. */
async function readDownloaded(name: string): Promise<Uint8Array | null> {
  for (const target of values["target-name"]) {
    const data = await readFile(locateDownload(target)).catch(() => null);
    if (data !== null && fileName(sha256(data)) === name) return data;
  }
  return null;
}

function locateDownload(target: string): string {
  return join(values["target-dir"], encodeURIComponent(target));
}

async function download(updater: Updater): Promise<void> {
  for (const name of values["target-name"]) {
    const data = Buffer.from(await updater.readTarget(name, MAX_BYTES));
    // What is there already keeps its time, by which the suite orders files.
    if (!existsSync(locateDownload(name)) || !data.equals(readFileSync(locateDownload(name)))) {
      writeFileSync(locateDownload(name), data);
    }
  }
}

async function run(command: string | undefined): Promise<void> {
  if (command === "init") {
    for (const path of [shippedRoot, join(folder, "root.json")]) {
      copyFileSync(positionals[1] ?? "", path);
    }
    return;
  }
  const updater = new Updater({
    url: values["metadata-url"].replace(/\/metadata\/?$/, ""),
    targetsUrl: values["target-base-url"].replace(/\/+$/, ""),
    trustedRoot: readFileSync(shippedRoot),
    storage: metadataStorage(),
    connection: { fetch: globalThis.fetch, timeoutMs: TIMEOUT_MS },
    cryptography: webCryptography(),
    now: Date.now,
  });
  await updater.refresh();
  if (command === "download") await download(updater);
}

try {
  await run(positionals[0]);
} catch (error) {
  if (!(error instanceof GhostlensError)) throw error;
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
