import assert from "node:assert/strict";
import { test } from "node:test";
import { findNextMs, findNextOnlineMs } from "../src/delivery/waiting.ts";

const MINUTE_MS = 60_000;

test("after a failure the page waits a minute, then longer, and at most an hour", () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 20].map((failures) =>
    findNextMs({ atMs: 0, failures, checkAgainS: null }),
  );
  assert.deepEqual(
    waits.map((wait) => wait / MINUTE_MS),
    [1, 2, 4, 8, 16, 32, 60, 60],
  );
});

test("otherwise it asks when the server said, though never more often than once a minute", () => {
  assert.equal(findNextMs({ atMs: 5, failures: 0, checkAgainS: 600 }), 600_005);
  assert.equal(findNextMs({ atMs: 5, failures: 0, checkAgainS: 1 }), MINUTE_MS + 5);
  assert.equal(findNextMs({ atMs: 0, failures: 0, checkAgainS: null }), 240 * MINUTE_MS);
});

test("a network that comes and goes starts an attempt at most once a minute", () => {
  assert.equal(findNextOnlineMs(1000, -Infinity), 1000);
  assert.equal(findNextOnlineMs(21_000, 1000), MINUTE_MS + 1000);
  assert.equal(findNextOnlineMs(200_000, 1000), 200_000);
});
