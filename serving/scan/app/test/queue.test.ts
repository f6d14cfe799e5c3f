import assert from "node:assert/strict";
import { test } from "node:test";
import { type Correction, Queue } from "../src/correcting/queue.ts";
import { keepInMemory } from "../src/kept.ts";
import { OfflineError, RefusedError } from "../src/server.ts";

/** A queue with a clock that stands still, and a server that answers what `answers` says. */
function start(answers: (Error | null)[] = []) {
  const kept = keepInMemory();
  const clock = { ms: 1_000_000 };
  const seen: Correction[] = [];
  const store = {
    get: (id: string) => kept.get("corrections", id),
    list: () => kept.list("corrections"),
    change: (id: string, change: (found?: Correction) => Correction | undefined) =>
      kept.change("corrections", id, change),
  };
  const send = async (correction: Correction): Promise<void> => {
    seen.push(correction);
    const answer = answers.shift() ?? null;
    if (answer !== null) throw answer;
  };
  const queue = new Queue(store, send, () => clock.ms);
  return { queue, clock, seen, restart: () => new Queue(store, send, () => clock.ms) };
}

function make(id: string, changes: Partial<Correction> = {}): Correction {
  const document = { right: { kind: "label", name: "pear" } } as const;
  return { id, model: "fruit", document, photo: null, sendFromMs: 0, refused: null, ...changes };
}

test("each is sent once, in the order in which it was made, and then forgotten", async () => {
  const { queue, seen } = start();
  await queue.add(make("b", { sendFromMs: 2 }));
  await queue.add(make("a", { sendFromMs: 1 }));
  assert.deepEqual(await queue.sendAll(), { sent: 2, stopped: null, againS: null });
  assert.deepEqual(await queue.sendAll(), { sent: 0, stopped: null, againS: null });
  assert.deepEqual(
    seen.map(({ id }) => id),
    ["a", "b"],
  );
});

test("what failed before is forgotten, also amid a round", async () => {
  const offline = new OfflineError("no network");
  const { queue } = start([offline, offline, offline]);
  await queue.add(make("a"));
  await queue.sendAll();
  await queue.sendAll();
  const round = queue.sendAll();
  queue.forgetFailures();
  assert.deepEqual(await round, { sent: 0, stopped: "offline", againS: 5 });
});

test("two rounds at the same time send nothing twice", async () => {
  const { queue, seen } = start();
  await queue.add(make("a"));
  await Promise.all([queue.sendAll(), queue.sendAll()]);
  assert.equal(seen.length, 1);
});

test("without a network it keeps what it has, waits longer each time, and sends the same", async () => {
  const offline = new OfflineError("no network");
  const { queue, seen, restart } = start([offline, offline]);
  await queue.add(make("a"));
  await queue.add(make("b"));
  assert.deepEqual(await queue.sendAll(), { sent: 0, stopped: "offline", againS: 5 });
  assert.deepEqual(await queue.sendAll(), { sent: 0, stopped: "offline", againS: 10 });
  assert.equal((await restart().sendAll()).sent, 2);
  assert.deepEqual(
    seen.map(({ id }) => id),
    ["a", "a", "a", "b"],
  );
});

test("it waits as long as the server asks, but never for ever", async () => {
  const { queue } = start([
    new RefusedError(503, "busy", 42),
    ...Array.from({ length: 20 }, () => new RefusedError(429, "too many")),
  ]);
  await queue.add(make("a"));
  assert.deepEqual(await queue.sendAll(), { sent: 0, stopped: "busy", againS: 42 });
  let last = await queue.sendAll();
  for (let round = 0; round < 15; round += 1) last = await queue.sendAll();
  assert.equal(last.againS, 600);
});

test("what can be taken back is not sent before its time, and not at all once it was", async () => {
  const { queue, clock, seen } = start();
  await queue.add(make("a", { sendFromMs: clock.ms + 8000 }));
  await queue.add(make("b", { sendFromMs: clock.ms + 9000 }));
  assert.deepEqual(await queue.sendAll(), { sent: 0, stopped: null, againS: 8 });
  await queue.remove("a");
  clock.ms += 10_000;
  await queue.sendAll();
  assert.deepEqual(
    seen.map(({ id }) => id),
    ["b"],
  );
});

test("what could be taken back is sent at once where the page is left", async () => {
  const { queue, clock } = start();
  await queue.add(make("a", { sendFromMs: clock.ms + 8000 }));
  await queue.releaseAll();
  assert.equal((await queue.sendAll()).sent, 1);
});

test("one that the server will never take is put aside with its reason, and can be tried again", async () => {
  const { queue } = start([new RefusedError(422, "no label 'pear'"), null]);
  await queue.add(make("a", { sendFromMs: 1 }));
  await queue.add(make("b", { sendFromMs: 2 }));
  assert.deepEqual(await queue.sendAll(), { sent: 1, stopped: null, againS: null });
  assert.deepEqual(
    (await queue.list()).map(({ id, refused }) => [id, refused]),
    [["a", "no label 'pear'"]],
  );
  assert.equal((await queue.sendAll()).sent, 0);
  await queue.retry("a");
  assert.equal((await queue.sendAll()).sent, 1);
});

test("a photo that the server cannot take is left out, and what was said is sent", async () => {
  for (const error of [
    new RefusedError(422, "no photo", null, "photo"),
    new RefusedError(413, "too long"),
  ]) {
    const { queue, seen } = start([error]);
    await queue.add(make("a", { photo: new Blob(["x"]) }));
    assert.equal((await queue.sendAll()).sent, 1);
    assert.deepEqual(
      seen.map(({ id, photo }) => [id, photo === null]),
      [
        ["a", false],
        ["a", true],
      ],
    );
  }
});

test("a missing key holds everything up and loses nothing", async () => {
  const { queue, seen } = start([new RefusedError(401, "a key is needed"), null, null]);
  await queue.add(make("a"));
  await queue.add(make("b"));
  assert.equal((await queue.sendAll()).stopped, "key");
  assert.equal(seen.length, 1);
  assert.equal((await queue.sendAll()).sent, 2);
});

test("one that breaks the server does not hold up the others", async () => {
  const { queue } = start([new RefusedError(500, "oh"), null]);
  await queue.add(make("a", { sendFromMs: 1 }));
  await queue.add(make("b", { sendFromMs: 2 }));
  assert.deepEqual(await queue.sendAll(), { sent: 1, stopped: "failed", againS: 5 });
  assert.deepEqual(
    (await queue.list()).map(({ id }) => id),
    ["a"],
  );
});
