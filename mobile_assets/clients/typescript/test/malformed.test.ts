/** Anything that came over the network may be anything: it ends in a typed error. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAnswer } from "../src/asking.js";
import { GhostlensError } from "../src/errors.js";
import { parseManifest } from "../src/manifest.js";
import { parseRelease } from "../src/release.js";
import { ROOT, SNAPSHOT, TARGETS, TIMESTAMP, parseMetadata } from "../src/tuf/metadata.js";
import { MODEL, Repository, toBytes } from "./support/repository.js";

const ROUNDS = 300;
const VALUES: unknown[] = [null, true, -1, 1.5, 1e308, "", "constructor", "x\u0000", [], {}, [[]]];

/** Mulberry32: the same numbers each time, so that a failure can be looked at. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Changes one value somewhere, or some bytes. */
function damage(data: Uint8Array, random: () => number): Uint8Array {
  const pick = (length: number): number => Math.floor(random() * length);
  if (random() < 0.3) {
    const damaged = data.slice(0, random() < 0.5 ? pick(data.length) : data.length);
    for (let count = 0; count < 3; count++) damaged[pick(damaged.length)] = pick(256);
    return damaged;
  }
  const root = JSON.parse(new TextDecoder().decode(data)) as Record<string, unknown>;
  let node = root;
  for (;;) {
    const keys = Object.keys(node);
    const key = keys[pick(keys.length)];
    if (key === undefined) break;
    const member = node[key];
    if (typeof member === "object" && member !== null && random() < 0.8) {
      node = member as Record<string, unknown>;
      continue;
    }
    if (random() < 0.2) delete node[key];
    else node[key] = VALUES[pick(VALUES.length)];
    break;
  }
  return new TextEncoder().encode(JSON.stringify(root));
}

async function makeDocuments(): Promise<[string, Uint8Array, (data: Uint8Array) => unknown][]> {
  const repository = await Repository.make();
  await repository.add("1.0.0");
  const file = (name: string): Uint8Array => repository.files.get(name) ?? new Uint8Array();
  const target = (name: string): Uint8Array => repository.targets.get(name) ?? new Uint8Array();
  const answer = { action: "take", code: "first", reason: "", version: "1.0.0", check_again_s: 1 };
  return [
    ["root", file("metadata/1.root.json"), (data) => parseMetadata(ROOT, data)],
    ["timestamp", file("metadata/timestamp.json"), (data) => parseMetadata(TIMESTAMP, data)],
    ["snapshot", file("metadata/1.snapshot.json"), (data) => parseMetadata(SNAPSHOT, data)],
    ["targets", file("metadata/1.targets.json"), (data) => parseMetadata(TARGETS, data)],
    ["a model's role", file(`metadata/1.${MODEL}.json`), (data) => parseMetadata(TARGETS, data)],
    ["release", target(`${MODEL}/release.json`), parseRelease],
    ["manifest", target(`${MODEL}/1.0.0/manifest.json`), parseManifest],
    ["answer", new TextEncoder().encode(JSON.stringify(answer)), parseAnswer],
  ];
}

const documents = await makeDocuments();

for (const [name, data, parse] of documents) {
  test(`${name}: damaged in ${ROUNDS} ways`, () => {
    const random = makeRandom(name.length);
    parse(data);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const damaged = damage(data, random);
      try {
        parse(damaged);
      } catch (error) {
        const text = new TextDecoder().decode(damaged);
        assert.ok(error instanceof GhostlensError, `${String(error)} of ${text}`);
        refused += 1;
      }
    }
    assert.ok(refused > ROUNDS / 4, `${refused} were refused`);
  });
}

test("an answer of a newer server says more than this app knows", () => {
  const manifest = { url: "/x", sha256: "0".repeat(64), size_bytes: 1, mirrors: [] };
  const known = { action: "take", code: "of-tomorrow", reason: "", version: "1.0.0", manifest };
  const answer = parseAnswer(toBytes({ ...known, urgency: { level: 3 }, model: "colours" }));
  assert.deepEqual([answer.action, answer.code, answer.checkAgainS], ["take", "of-tomorrow", null]);
});

test("a signed document that says more than this app knows is refused", async () => {
  const repository = await Repository.make();
  await repository.add("1.0.0");
  await repository.release({ urgency: { level: 3 } });
  const data = repository.targets.get(`${MODEL}/release.json`) ?? new Uint8Array();
  assert.throws(() => parseRelease(data), /urgency: it is not known/);
});

test("nesting without an end, and bytes that are no text", () => {
  for (const bytes of ["[".repeat(1e6), `{"a":`.repeat(40) + "1" + "}".repeat(40), "\ufeff{}"]) {
    assert.throws(() => parseRelease(new TextEncoder().encode(bytes)), GhostlensError);
  }
  assert.throws(() => parseRelease(new Uint8Array([0x22, 0xff, 0x22])), GhostlensError);
});
