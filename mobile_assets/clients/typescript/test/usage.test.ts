/** Scans are told in sums, and count once. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Recognition } from "../src/judge.js";
import { memoryStorage } from "../src/storage/memory.js";
import { CONFIDENCE_EDGES, Usage } from "../src/usage.js";
import { MODEL } from "./support/repository.js";
import { TestServer } from "./support/server.js";

const NOON_MS = Date.UTC(2026, 10, 30, 12);
const found = (label: string, probability: number): Recognition => ({
  verdict: probability > 0.9 ? "sure" : "unsure",
  answers: [{ label, probability }],
  coarse: null,
});

test("scans are added up by version and day, and told once", async (t) => {
  const server = await TestServer.start(new Map());
  t.after(() => server.stop());
  let now = NOON_MS;
  const connection = { fetch: globalThis.fetch, timeoutMs: 2000 };
  const storage = memoryStorage();
  const usage = new Usage(storage, connection, server.url, MODEL, () => now);
  await usage.note("0.9.0", found("old", 0.5), false);
  now += 40 * 24 * 3600 * 1000;
  await usage.note("1.0.0", found("red", 0.97), false);
  await usage.note("1.0.0", found("red", 1), false);
  await usage.note("1.0.0", found("__proto__", 0.1), true);
  // Nobody listens there: it waits, under an id.
  const offline = new Usage(storage, connection, "http://127.0.0.1:9", MODEL, () => now);
  assert.equal(await offline.send("device"), 0);
  assert.equal(await usage.send("device"), 1);
  assert.equal(await usage.send("device"), 0);
  assert.equal(server.posted.length, 1);
  const [report] = server.posted;
  assert.ok(report !== undefined);
  const [day, ...more] = report.value["days"] as Record<string, unknown>[];
  assert.equal(more.length, 0);
  assert.ok(day !== undefined);
  assert.equal(day["day"], "2027-01-09");
  assert.deepEqual(day["verdicts"], { sure: 2, unsure: 1 });
  assert.deepEqual(Object.entries(day["labels"] as object), [
    ["red", 2],
    ["__proto__", 1],
  ]);
  assert.equal(day["sent"], 1);
  const bins = day["confidences"] as number[];
  assert.equal(bins.length, CONFIDENCE_EDGES.length - 1);
  assert.deepEqual([bins[1], bins[16], bins[19]], [1, 1, 1]);
});

test("a device without an id tells nothing", async (t) => {
  const server = await TestServer.start(new Map());
  t.after(() => server.stop());
  const connection = { fetch: globalThis.fetch, timeoutMs: 2000 };
  const usage = new Usage(memoryStorage(), connection, server.url, MODEL, () => NOON_MS);
  await usage.note("1.0.0", found("red", 0.5), false);
  assert.equal(await usage.send(undefined), 0);
  assert.equal(server.posted.length, 0);
});
