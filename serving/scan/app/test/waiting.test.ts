import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Waiting, findNextMs, findNextOnlineMs } from "../src/delivery/waiting.ts";

const MINUTE_MS = 60_000;
const FAILED = { failures: 1, checkAgainS: null };
const page = { window: new EventTarget(), begun: 0 };

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  page.window = new EventTarget();
  page.begun = 0;
  const globals = {
    addEventListener: page.window.addEventListener.bind(page.window),
    document: Object.assign(new EventTarget(), { hidden: false }),
    navigator: { onLine: true },
  };
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
});

afterEach(() => mock.timers.reset());

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

test("a network that comes and goes starts attempts, though not several in a moment", () => {
  assert.equal(findNextOnlineMs(1000, -Infinity), 1000);
  assert.equal(findNextOnlineMs(2000, 1000), 6000);
  assert.equal(findNextOnlineMs(200_000, 1000), 200_000);
});

/** Starts a page whose first attempt is going on. */
function start(): Waiting {
  const waiting = new Waiting(() => {
    page.begun += 1;
    waiting.begin();
  });
  waiting.begin();
  return waiting;
}

function comeOnline(): void {
  page.window.dispatchEvent(new Event("online"));
}

test("a network that comes back amid an attempt that fails is tried soon after it", () => {
  const waiting = start();
  mock.timers.tick(1000);
  comeOnline();
  waiting.note({ atMs: Date.now(), ...FAILED });
  mock.timers.tick(3999);
  assert.equal(page.begun, 0);
  mock.timers.tick(1);
  assert.equal(page.begun, 1);
  waiting.note({ atMs: Date.now(), ...FAILED, failures: 2 });
  mock.timers.tick(2 * MINUTE_MS - 1);
  assert.equal(page.begun, 1);
  mock.timers.tick(1);
  assert.equal(page.begun, 2);
});

test("a network that comes back after an attempt failed is tried at once", () => {
  const waiting = start();
  waiting.note({ atMs: Date.now(), ...FAILED });
  mock.timers.tick(30_000);
  comeOnline();
  mock.timers.tick(0);
  assert.equal(page.begun, 1);
});

test("one that came back amid an attempt that went through changes nothing", () => {
  const waiting = start();
  comeOnline();
  waiting.note({ atMs: Date.now(), failures: 0, checkAgainS: 3600 });
  mock.timers.tick(60 * MINUTE_MS - 1);
  assert.equal(page.begun, 0);
  mock.timers.tick(1);
  assert.equal(page.begun, 1);
});
