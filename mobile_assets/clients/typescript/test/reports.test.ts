/** What an app tells the server waits, in order, until it is taken. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Reports } from "../src/reports.js";
import { memoryStorage } from "../src/storage/memory.js";
import { MODEL } from "./support/repository.js";
import { TestServer } from "./support/server.js";

const device = { platform: "web", deviceId: "device-1" } as const;
const artifact = { sha256: "0".repeat(64), runtime: "litert" } as const;
const happened = { event: "self-test", passed: true, artifact } as const;

test("waiting reports keep their order, and of too many the oldest are dropped", async (t) => {
  const server = await TestServer.start(new Map());
  t.after(() => server.stop());
  const connection = { fetch: globalThis.fetch, timeoutMs: 2000 };
  const reports = new Reports(memoryStorage(), connection, server.url, MODEL);
  for (let number = 0; number < 60; number++) {
    await reports.add(device, { ...happened, version: `1.0.${number}` });
  }
  assert.equal(await reports.send(), 50);
  const versions = server.posted.map(({ value }) => value["version"]);
  assert.deepEqual(
    versions,
    Array.from({ length: 50 }, (_, index) => `1.0.${index + 10}`),
  );
  await reports.add({ platform: "web" }, { ...happened, version: "2.0.0" });
  assert.equal(await reports.send(), 0);
});
