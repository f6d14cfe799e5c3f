/** What every storage must do; IndexedDB is tested in a browser. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { StorageError } from "../src/errors.js";
import { memoryStorage } from "../src/storage/memory.js";
import { folderStorage } from "../src/storage/node.js";
import type { Storage } from "../src/storage/storage.js";
import { answerWell } from "./support/repository.js";
import { makeSetting } from "./support/setting.js";

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "ghostlens-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const KINDS: [string, (t: TestContext) => Storage][] = [
  ["memory", memoryStorage],
  ["folder", (t) => folderStorage(join(makeFolder(t), "new"))],
];

for (const [kind, make] of KINDS) {
  test(`${kind}: what was written is read, listed, overwritten and removed`, async (t) => {
    const storage = make(t);
    assert.equal(await storage.read("a/b.json"), null);
    assert.deepEqual(await storage.list(""), []);
    await storage.write("a/b.json", new Uint8Array([1, 2, 3]));
    await storage.write("a/c", new Uint8Array());
    await storage.write("ab", new Uint8Array([4]));
    await storage.write("a/b.json", new Uint8Array([5]));
    assert.deepEqual(new Uint8Array((await storage.read("a/b.json")) ?? []), new Uint8Array([5]));
    assert.equal((await storage.read("a/c"))?.length, 0);
    assert.deepEqual((await storage.list("a/")).sort(), ["a/b.json", "a/c"]);
    await storage.remove("a/b.json");
    await storage.remove("a/b.json");
    assert.equal(await storage.read("a/b.json"), null);
    assert.deepEqual((await storage.list("")).sort(), ["a/c", "ab"]);
  });

  test(`${kind}: one task is worked at by one alone, another at the same time`, async (t) => {
    const storage = make(t);
    const events: string[] = [];
    const work = (task: string, name: string): Promise<void> =>
      storage.exclusively(task, async () => {
        events.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        events.push(`${name} ends`);
      });
    await Promise.all([work("pull", "first"), work("pull", "second")]);
    assert.deepEqual(events, ["first begins", "first ends", "second begins", "second ends"]);
    await assert.rejects(storage.exclusively("pull", () => Promise.reject(new Error("failed"))));
    await storage.exclusively("pull", () => storage.exclusively("state", () => Promise.resolve()));
  });
}

test("folder: a name cannot climb out", async (t) => {
  const storage = folderStorage(makeFolder(t));
  for (const name of ["../x", "a/../../x", "/x", "", ".hidden", "a//b", "a\\b", "a/\u0000"]) {
    await assert.rejects(storage.write(name, new Uint8Array()), StorageError, name);
  }
});

test("folder: nothing half written is left behind", async (t) => {
  const folder = makeFolder(t);
  const storage = folderStorage(folder);
  await storage.write("blocked/x", new Uint8Array(1));
  await assert.rejects(storage.write("blocked", new Uint8Array(1)), StorageError);
  assert.deepEqual(readdirSync(folder), ["blocked"]);
});

test("folder: one that may not be written is a typed error", async (t) => {
  const folder = makeFolder(t);
  writeFileSync(join(folder, "file"), "");
  await assert.rejects(
    folderStorage(join(folder, "file")).write("x", new Uint8Array(1)),
    StorageError,
  );
  chmodSync(folder, 0o700);
});

test("folder: the lock of a process that was killed holds nobody up", async (t) => {
  const folder = makeFolder(t);
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await once(child, "spawn");
  child.kill("SIGKILL");
  await once(child, "exit");
  writeFileSync(join(folder, ".lock-pull"), String(child.pid));
  assert.equal(await folderStorage(folder).exclusively("pull", () => Promise.resolve(7)), 7);
});

test("folder: a client goes on after a restart of the process", async (t) => {
  const folder = makeFolder(t);
  const { again } = await makeSetting(t, { storage: folderStorage(folder) });
  await again().update(answerWell);
  const model = await again({ storage: folderStorage(folder) }).start();
  assert.equal(model?.version, "1.0.0");
});
