/** Deltas; deflate with a dictionary stands in for zstd, which this Node.js may not have. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { ApplyDelta } from "../src/deltas.js";
import { MODEL, answerWell, sha256, toBytes } from "./support/repository.js";
import { type Setting, makeSetting } from "./support/setting.js";

const OLD = Array.from({ length: 2000 }, (_, index) => (index * 7919) % 10_007).join(",");
const NEW = OLD.replace("7919", "7920");
const NAME = `${MODEL}-1.2.0-litert-fp32.tflite`;

const applyDelta: ApplyDelta = (dictionary, delta, sizeBytes) =>
  inflateRawSync(delta, { dictionary, maxOutputLength: sizeBytes });

/** A phone that runs 1.1.0, and a repository with 1.2.0 and a delta to it. */
async function makeDeltas(t: TestContext, delta?: Uint8Array): Promise<Setting> {
  const setting = await makeSetting(t, { applyDelta });
  const { repository } = setting;
  await repository.add("1.1.0", OLD);
  await setting.client.update(answerWell);
  await repository.add("1.2.0", NEW);
  const from = sha256(toBytes(OLD)).slice(0, 16);
  const made = delta ?? deflateRawSync(toBytes(NEW), { dictionary: toBytes(OLD) });
  repository.put(`${MODEL}/1.2.0/deltas/${from}-${NAME}.zst`, made);
  await repository.commit();
  return setting;
}

test("a delta is downloaded in place of the file", async (t) => {
  const { client, server, storage } = await makeDeltas(t);
  const check = await client.check();
  const { downloadedBytes, model } = await client.take(check, answerWell);
  assert.deepEqual(model?.artifact.bytes, toBytes(NEW));
  assert.equal(downloadedBytes, check.downloadBytes);
  assert.ok(downloadedBytes < NEW.length / 10);
  assert.equal(server.of(`.${NAME}`).filter(({ path }) => !path.includes("deltas")).length, 0);
  assert.equal((await storage.list("files/")).length, 8);
});

test("without a decoder the whole file is downloaded", async (t) => {
  const { again } = await makeDeltas(t);
  const { applyDelta: _, ...rest } = { applyDelta, retries: 0 };
  const plain = again({ ...rest, applyDelta: undefined as unknown as ApplyDelta });
  assert.equal((await plain.update(answerWell)).downloadedBytes, NEW.length);
});

for (const [what, delta] of [
  ["is no delta", toBytes("no delta at all")],
  ["gives other bytes", deflateRawSync(toBytes(OLD), { dictionary: toBytes(OLD) })],
  ["gives too many bytes", deflateRawSync(toBytes(NEW + NEW), { dictionary: toBytes(OLD) })],
] as const) {
  test(`a delta that ${what} costs the whole file, and no trust`, async (t) => {
    const { client } = await makeDeltas(t, delta);
    const { model, downloadedBytes } = await client.update(answerWell);
    assert.deepEqual(model?.artifact.bytes, toBytes(NEW));
    assert.equal(downloadedBytes, delta.length + NEW.length);
  });
}

test("a delta from a file that was damaged here is not tried", async (t) => {
  const { client, storage, server } = await makeDeltas(t);
  const check = await client.check();
  await storage.write(`files/${sha256(toBytes(OLD))}`, toBytes(NEW));
  assert.deepEqual((await client.take(check, answerWell)).model?.artifact.bytes, toBytes(NEW));
  assert.equal(server.of("deltas/").length, 0);
});
