/** The client in a real browser: modules as they are compiled, WebCrypto, IndexedDB, Web Locks. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { findBrowser, openPage } from "./support/chromium.js";
import { MODEL, Repository } from "./support/repository.js";
import { TestServer } from "./support/server.js";

const LIMIT_MS = 60_000;
const SOURCES = new URL("../src/", import.meta.url);
const PAGE = `<!doctype html><script type="module">
import { GhostlensClient, browserStorage, StorageError } from "/src/index.js";
const trustedRoot = await (await fetch("/metadata/1.root.json")).json();
const open = () => new GhostlensClient({
  url: location.origin, trustedRoot, model: "${MODEL}", device: { platform: "web" },
  storage: browserStorage("test"), askServer: false,
});
const answer = (photo) => {
  const label = new TextDecoder().decode(photo).replace("photo of ", "");
  return ["red", "green", "blue"].map((name) => (name === label ? 0.9 : 0.05));
};
const seen = {};
try {
  const updates = await Promise.all([open().update(answer), open().update(answer)]);
  seen.codes = updates.map(({ check }) => check.code).sort();
  seen.version = (await open().start()).version;
  await open().confirmStart();
  const storage = browserStorage("test");
  seen.trust = (await storage.list("trust/")).sort();
  await storage.write("a/b", new Uint8Array([1, 2]));
  seen.read = [...(await storage.read("a/b"))];
  await storage.remove("a/b");
  seen.removed = await storage.read("a/b");
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = () => { throw new DOMException("", "QuotaExceededError"); };
  seen.full = await storage.write("x", new Uint8Array(1)).catch((error) => [error instanceof StorageError, error.message]);
  IDBObjectStore.prototype.put = put;
  seen.files = (await storage.list("files/")).length;
} catch (error) {
  seen.error = String(error?.stack ?? error);
}
await fetch("/v1/result", { method: "POST", body: JSON.stringify(seen) });
</script>`;

const browser = findBrowser();

test(
  "in a browser",
  { skip: browser === null ? "no browser is installed here" : false },
  async (t) => {
    const repository = await Repository.make();
    await repository.add("1.0.0");
    const server = await TestServer.start(repository.files);
    t.after(() => server.stop());
    for (const name of readdirSync(SOURCES, { recursive: true, encoding: "utf8" })) {
      if (name.endsWith(".js"))
        repository.files.set(`src/${name}`, readFileSync(new URL(name, SOURCES)));
    }
    repository.files.set("page.html", new TextEncoder().encode(PAGE));
    const types = { ".js": "text/javascript", ".html": "text/html" };
    server.reply = (request, response) => {
      const type = Object.entries(types).find(([end]) => request.url?.endsWith(end))?.[1];
      if (type !== undefined) response.setHeader("content-type", type);
      return false;
    };
    openPage(t, browser ?? "", `${server.url}/page.html`);
    const deadline = Date.now() + LIMIT_MS;
    while (server.posted.length === 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.deepEqual(server.posted[0]?.value, {
      codes: ["first", "up-to-date"],
      version: "1.0.0",
      trust: ["roles/colours.json", "snapshot.json", "targets.json", "timestamp.json"].map(
        (name) => `trust/${name}`,
      ),
      read: [1, 2],
      removed: null,
      full: [true, "cannot write x: the browser gives this site no more space"],
      files: 6,
    });
  },
);
