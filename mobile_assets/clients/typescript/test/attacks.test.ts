/** Attacks on a pull: each ends in a typed error, and the version in use goes on working. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Distrust, NetworkError, SelfTestError, TrustError } from "../src/errors.js";
import {
  Key,
  LABELS,
  MODEL,
  Repository,
  type RoleName,
  answerWell,
  toBytes,
} from "./support/repository.js";
import { TestServer } from "./support/server.js";
import { type Setting, makeSetting, versionInUse } from "./support/setting.js";

/** A phone that runs 1.0.0, in front of whatever comes next. */
async function makePulled(t: TestContext): Promise<Setting> {
  const setting = await makeSetting(t);
  await setting.client.update(answerWell);
  return setting;
}

async function refuses(setting: Setting, code: Distrust, words: RegExp = /./): Promise<void> {
  await assert.rejects(setting.client.update(answerWell), (error) => {
    assert.ok(error instanceof TrustError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
  });
  assert.equal(await versionInUse(setting.client), "1.0.0");
}

function tamper(files: Map<string, Uint8Array>, name: string): void {
  const data = files.get(name)?.slice();
  assert.ok(data, name);
  const middle = Math.floor(data.length / 2);
  data[middle] = (data[middle] ?? 0) ^ 1;
  files.set(name, data);
}

test("arbitrary installation: another repository, well signed by other keys", async (t) => {
  const setting = await makePulled(t);
  const attacker = await Repository.make();
  await attacker.add("6.6.6");
  const evil = await TestServer.start(attacker.files);
  t.after(() => evil.stop());
  await assert.rejects(setting.again({ url: evil.url }).update(answerWell), { code: "unsigned" });
  assert.equal(await versionInUse(setting.client), "1.0.0");
});

for (const role of ["timestamp", "snapshot", "targets", MODEL] as RoleName[]) {
  test(`wrong key: ${role} metadata signed by somebody else`, async (t) => {
    const setting = await makePulled(t);
    const { repository } = setting;
    const right = repository.keysOf(role);
    const wrong = await Key.make();
    // The delegations and the root still name the right key.
    repository.sign = (signed, keys) =>
      Repository.prototype.sign.call(repository, signed, keys === right ? [wrong] : keys);
    await repository.add("1.1.0");
    await refuses(setting, "unsigned", /0 of 1 keys/);
  });
}

test("a stolen online key cannot sign a model", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  const [online, offline] = [repository.keysOf("timestamp"), repository.keysOf(MODEL)];
  repository.sign = (signed, keys) =>
    Repository.prototype.sign.call(repository, signed, keys === offline ? online : keys);
  await repository.add("1.1.0");
  await refuses(setting, "unsigned");
});

test("a threshold of two is not met by one key that signs twice", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  const [key] = repository.keysOf(MODEL);
  assert.ok(key);
  repository.thresholds = { [MODEL]: 2 };
  repository.keys.set(MODEL, [key, await Key.make()]);
  repository.sign = (signed, keys) =>
    Repository.prototype.sign.call(repository, signed, keys.includes(key) ? [key] : keys);
  await repository.add("1.1.0");
  await refuses(setting, "unsigned", /1 of 2 keys/);
});

test("one key under two ids counts once", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  const [key] = repository.keysOf(MODEL);
  assert.ok(key);
  const alias = Object.assign(Object.create(key) as Key, { id: "alias" });
  repository.thresholds = { [MODEL]: 2 };
  repository.keys.set(MODEL, [key, alias]);
  await repository.add("1.1.0");
  await refuses(setting, "unsigned", /1 of 2 keys/);
});

test("rollback: old metadata, validly signed, after newer ones were seen", async (t) => {
  const setting = await makeSetting(t);
  const old = setting.repository.files.get("metadata/timestamp.json") ?? new Uint8Array();
  await setting.repository.add("1.1.0");
  await setting.client.update(answerWell);
  setting.repository.write("timestamp.json", old);
  await assert.rejects(setting.client.update(answerWell), { code: "older" });
  assert.equal(await versionInUse(setting.client), "1.1.0");
});

test("rollback after a restart: the stored metadata remember", async (t) => {
  const setting = await makeSetting(t);
  const old = setting.repository.files.get("metadata/timestamp.json") ?? new Uint8Array();
  await setting.repository.add("1.1.0");
  await setting.client.check();
  setting.repository.write("timestamp.json", old);
  await assert.rejects(setting.again().check(), { code: "older" });
});

test("rollback of one role: a new snapshot that names an older model role", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  const before = repository.version;
  const old = repository.files.get(`metadata/${before}.${MODEL}.json`) ?? new Uint8Array();
  await repository.add("1.1.0");
  await setting.client.check();
  repository.sign = async (signed, keys) => {
    const meta = signed["meta"] as Record<string, unknown> | undefined;
    if (signed["_type"] === "snapshot" && meta) meta[`${MODEL}.json`] = { version: before };
    return Repository.prototype.sign.call(repository, signed, keys);
  };
  await repository.release();
  repository.write(`${before}.${MODEL}.json`, old);
  await refuses(setting, "older", /version 1 of the colours.json metadata/);
});

test("freeze: the same metadata until their time is over", async (t) => {
  const setting = await makePulled(t);
  const later = Date.now() + 2 * 86_400_000;
  await assert.rejects(setting.again({ now: () => later }).update(answerWell), {
    code: "expired",
    message: /repeated.*or the clock here is wrong/s,
  });
  assert.equal(await versionInUse(setting.client), "1.0.0");
});

test("freeze: an expired role of a model behind fresh online metadata", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  repository.sign = (signed, keys) => {
    const expires = keys === repository.keysOf(MODEL) ? "2020-01-01T00:00:00Z" : signed["expires"];
    return Repository.prototype.sign.call(repository, { ...signed, expires }, keys);
  };
  await repository.add("1.1.0");
  await refuses(setting, "expired", /colours metadata expired/);
});

test("fast-forward: after a new timestamp key, old high versions bind no more", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  repository.version = 1_000_000;
  await repository.release();
  await setting.client.check();
  // The thief's key goes; the owner goes on with small numbers.
  for (const role of ["timestamp", "snapshot"] as RoleName[]) {
    repository.keys.set(role, [await Key.make()]);
  }
  await repository.writeRoot();
  repository.version = 10;
  await repository.add("1.1.0");
  await setting.client.update(answerWell);
  assert.equal(await versionInUse(setting.client), "1.1.0");
});

test("mix and match: a new snapshot with the old role of the model", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  const old = repository.files.get(`metadata/${repository.version}.${MODEL}.json`);
  await repository.add("1.1.0");
  repository.write(`${repository.version}.${MODEL}.json`, old ?? new Uint8Array());
  await refuses(setting, "other-bytes");
});

test("mix and match of files: a signed artifact in the place of another", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  await repository.add("1.1.0");
  const path = `${MODEL}/1.1.0/artifacts/${MODEL}-1.1.0-litert-fp32.tflite`;
  repository.put(path, toBytes("1.0.0"));
  await repository.commit();
  await refuses(setting, "other-bytes", /not the file that the manifest names/);
});

test("wrong software: the manifest of another version under this one's name", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  await repository.add("1.1.0");
  const other = repository.targets.get(`${MODEL}/1.1.0/manifest.json`) ?? new Uint8Array();
  await repository.add("1.2.0");
  repository.put(`${MODEL}/1.2.0/manifest.json`, other);
  await repository.commit();
  await refuses(setting, "other-bytes", /is about colours 1\.1\.0/);
});

test("wrong software: a model's key cannot sign another model's files", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  repository.paths = repository.paths.map((path) => path.replace(MODEL, "flowers"));
  await repository.add("1.1.0");
  await refuses(setting, "not-published");
});

for (const name of ["timestamp.json", "2.snapshot.json", "2.targets.json", "2.colours.json"]) {
  test(`endless data: ${name}`, async (t) => {
    const setting = await makePulled(t);
    await setting.repository.add("1.1.0");
    setting.server.endless.add(name);
    await refuses(setting, "too-large");
  });
}

for (const name of ["release.json", "1.1.0/manifest", "tflite"]) {
  test(`endless data of a target: ${name}`, async (t) => {
    const setting = await makePulled(t);
    await setting.repository.add("1.1.0");
    const files = [...setting.repository.targets.keys()];
    const path = files.find(
      (file) => file.includes(name.replace("1.1.0/", "1.1.0/")) && !file.includes("1.0.0"),
    );
    setting.server.endless.add(setting.repository.stored(path ?? ""));
    await refuses(setting, "too-large");
  });
}

test("oversized: a signed release file that is too long", async (t) => {
  const setting = await makePulled(t);
  setting.repository.put(`${MODEL}/release.json`, new Uint8Array((4 << 20) + 1).fill(32));
  await setting.repository.commit();
  await refuses(setting, "too-large", /4194305 bytes: allowed are 4194304/);
});

for (const name of ["timestamp.json", "2.snapshot.json", "2.targets.json", "2.colours.json"]) {
  test(`tampered metadata: ${name}`, async (t) => {
    const setting = await makePulled(t);
    await setting.repository.add("1.1.0");
    tamper(setting.repository.files, `metadata/${name}`);
    await assert.rejects(setting.client.update(answerWell), TrustError);
    assert.equal(await versionInUse(setting.client), "1.0.0");
  });
}

test("tampered metadata that parse: the signature does not hold", async (t) => {
  const setting = await makePulled(t);
  await setting.repository.add("1.1.0");
  const name = "metadata/timestamp.json";
  const text = new TextDecoder().decode(setting.repository.files.get(name));
  setting.repository.files.set(name, toBytes(text.replace('"version": 2', '"version": 3')));
  await refuses(setting, "unsigned");
});

for (const part of ["release.json", "1.1.0/manifest.json", "1.1.0/golden/red.jpg", ".tflite"]) {
  test(`tampered target: ${part}`, async (t) => {
    const setting = await makePulled(t);
    const { repository } = setting;
    await repository.add("1.1.0", "another model file");
    if (part.includes("golden")) {
      repository.put(`${MODEL}/1.1.0/golden/red.jpg`, toBytes("photo of red"));
    }
    const path = [...repository.targets.keys()].reverse().find((file) => file.includes(part));
    // Files with the same bytes are here already, and not fetched again.
    for (const name of await setting.storage.list("files/")) await setting.storage.remove(name);
    await setting.again().check();
    tamper(repository.files, repository.stored(path ?? ""));
    await assert.rejects(setting.client.update(answerWell), { code: "other-bytes" });
  });
}

test("a root that skips a version, or that the old keys did not sign", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  repository.keys.set("root", [await Key.make()]);
  await repository.writeRoot();
  await refuses(setting, "unsigned", /root metadata/);
});

test("a new root that old and new keys signed is followed, and remembered", async (t) => {
  const setting = await makePulled(t);
  const { repository } = setting;
  const before = repository.keysOf("root");
  repository.keys.set("root", [await Key.make()]);
  repository.keys.set("targets", [await Key.make()]);
  await repository.writeRoot(before);
  await repository.add("1.1.0");
  await setting.client.update(answerWell);
  assert.equal(await versionInUse(setting.client), "1.1.0");
  const asked = setting.server.of("root.json").length;
  await setting.again().check();
  assert.deepEqual(
    setting.server
      .of("root.json")
      .slice(asked)
      .map((request) => request.path),
    ["metadata/3.root.json"],
  );
});

test("a path that climbs out, in a signed manifest", async (t) => {
  const setting = await makePulled(t);
  const file = {
    path: "golden/../../escape",
    role: "golden",
    sha256: "0".repeat(64),
    size_bytes: 1,
  };
  await setting.repository.add("1.1.0", "x", { other_files: [file] });
  await assert.rejects(setting.client.update(answerWell), {
    name: "ManifestError",
    message: /the path "golden\/\.\.\/\.\.\/escape"/,
  });
  assert.equal(await versionInUse(setting.client), "1.0.0");
});

for (const schema of ["ghostlens.release/3", "ghostlens.bundle/99"]) {
  test(`a newer schema: ${schema}`, async (t) => {
    const setting = await makePulled(t);
    if (schema.includes("release")) await setting.repository.release({ schema });
    else await setting.repository.add("1.1.0", "x", { schema });
    await assert.rejects(setting.client.update(answerWell), /newer than .* update the app/);
    assert.equal(await versionInUse(setting.client), "1.0.0");
  });
}

test("a server that falls silent", async (t) => {
  const setting = await makePulled(t);
  setting.server.silent.add("timestamp.json");
  await assert.rejects(setting.again({ timeoutMs: 50 }).update(answerWell), NetworkError);
  assert.equal(await versionInUse(setting.client), "1.0.0");
});

test("a model that answers otherwise here is not switched to, nor offered again", async (t) => {
  const setting = await makePulled(t);
  await setting.repository.add("1.1.0");
  const swapped = (photo: Uint8Array): number[] => answerWell(photo).reverse();
  await assert.rejects(
    setting.client.update(swapped),
    (error) =>
      error instanceof SelfTestError &&
      /golden\/red\.jpg is blue, expected red; a probability differs by 0\.850/.test(error.message),
  );
  assert.equal(await versionInUse(setting.client), "1.0.0");
  const check = await setting.client.check();
  assert.deepEqual([check.action, check.code], ["none", "refused-here"]);
  // A new version of the app may do better.
  const device = { platform: "web", appVersion: "2.0.0" } as const;
  assert.equal((await setting.again({ device }).check()).action, "take");
});

test("every label is tested", () => assert.equal(LABELS.length, 3));
