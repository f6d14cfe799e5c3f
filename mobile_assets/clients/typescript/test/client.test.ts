/** What an app does with the client, over real HTTP. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { findBucket } from "../src/bucketing.js";
import { GhostlensClient } from "../src/client.js";
import { webCryptography } from "../src/crypto.js";
import {
  ConfigError,
  NetworkError,
  SelfTestError,
  StorageError,
  UntestedError,
} from "../src/errors.js";
import type { LoadedArtifact } from "../src/selftest.js";
import { memoryStorage } from "../src/storage/memory.js";
import { LABELS, MODEL, SALT, answerWell, sha256, toBytes } from "./support/repository.js";
import { makeSetting, versionInUse } from "./support/setting.js";

test("a first update downloads, tests and switches; a second finds nothing to do", async (t) => {
  const { client, server } = await makeSetting(t);
  assert.equal(await client.start(), null);
  const progress: [number, number][] = [];
  const onProgress = (here: number, total: number): void => void progress.push([here, total]);
  const update = await client.update(answerWell, { onProgress });
  assert.deepEqual([update.check.action, update.check.code], ["take", "first"]);
  assert.equal(update.selfTest?.photos.length, LABELS.length);
  assert.equal(update.downloadedBytes, update.check.downloadBytes);
  assert.deepEqual(progress.at(-1), [update.downloadedBytes, update.downloadedBytes]);
  const model = await client.start();
  assert.equal(model?.version, "1.0.0");
  assert.equal(new TextDecoder().decode(model?.artifact.bytes), "1.0.0");
  assert.equal(new TextDecoder().decode(await model?.read("labels.txt")), "red\ngreen\nblue\n");
  const targets = server.of("targets/").length;
  const second = await client.update(answerWell);
  assert.deepEqual([second.check.action, second.check.code], ["none", "up-to-date"]);
  assert.ok(
    server
      .of("targets/")
      .slice(targets)
      .every(({ path }) => path.endsWith("json")),
  );
});

test("a version brings the names of its labels in other languages", async (t) => {
  const { client, repository } = await makeSetting(t);
  const without = (await client.update(answerWell)).model;
  assert.deepEqual(without?.languages, []);
  assert.equal((await without?.names("zh-CN"))?.size, 0);
  repository.names = { red: "红色" };
  await repository.add("1.1.0");
  await client.update(answerWell);
  const model = await client.start();
  assert.deepEqual(model?.languages, ["zh-Hans"]);
  assert.deepEqual([...((await model?.names("zh-CN")) ?? [])], [["red", "红色"]]);
  assert.equal((await model?.names("en"))?.size, 0);
});

test("a file of names that was changed in storage is never shown", async (t) => {
  const { client, repository, storage } = await makeSetting(t);
  repository.names = { red: "红色" };
  await repository.add("1.1.0");
  const { model } = await client.update(answerWell);
  const name = `files/${sha256(toBytes(repository.names))}`;
  await storage.write(name, toBytes({ red: "绿色" }));
  await assert.rejects(async () => model?.names("zh"), StorageError);
  assert.equal(await client.start(), null);
});

test("files that did not change are not fetched again", async (t) => {
  const { client, repository, server } = await makeSetting(t);
  await client.update(answerWell);
  await repository.add("1.1.0");
  const before = server.of("golden/").length;
  const update = await client.update(answerWell);
  assert.equal(update.model?.version, "1.1.0");
  assert.equal(server.of("golden/").length, before);
  assert.equal(update.downloadedBytes, "1.1.0".length);
});

test("what no version needs any more is removed", async (t) => {
  const { client, repository, storage } = await makeSetting(t);
  for (const version of ["1.1.0", "1.2.0", "1.3.0"]) {
    await client.update(answerWell);
    await client.start();
    await client.confirmStart();
    await repository.add(version);
  }
  await client.update(answerWell);
  const kept = await storage.list("files/");
  const text = (version: string): string => `files/${sha256(new TextEncoder().encode(version))}`;
  assert.ok(kept.includes(text("1.3.0")) && kept.includes(text("1.2.0")));
  assert.ok(!kept.includes(text("1.1.0")) && !kept.includes(text("1.0.0")));
});

test("rolling back: newer metadata name the older version", async (t) => {
  const { client, repository } = await makeSetting(t);
  await repository.add("1.1.0");
  await client.update(answerWell);
  repository.channels["stable"] = { current: "1.0.0", pinned: false, rollout: null };
  await repository.release();
  const update = await client.update(answerWell);
  assert.deepEqual([update.check.code, update.model?.version], ["rolled-back", "1.0.0"]);
});

test("two starts that nobody confirms go back, at last to what was shipped", async (t) => {
  const { client, repository } = await makeSetting(t);
  await client.update(answerWell);
  assert.equal((await client.start())?.version, "1.0.0");
  await client.confirmStart();
  await repository.add("1.1.0");
  await client.update(answerWell);
  assert.equal((await client.start())?.version, "1.1.0");
  assert.equal((await client.start())?.version, "1.1.0");
  assert.equal((await client.start())?.version, "1.0.0");
  assert.equal((await client.check()).code, "refused-here");
  assert.equal((await client.start())?.version, "1.0.0");
  assert.equal(await client.start(), null);
  assert.equal(await client.start(), null);
  assert.equal(await versionInUse(client), null);
});

test("a confirmed start counts from the beginning", async (t) => {
  const { client } = await makeSetting(t);
  await client.update(answerWell);
  for (let round = 0; round < 5; round++) {
    assert.equal((await client.start())?.version, "1.0.0");
    await client.confirmStart();
  }
});

test("a start that was taken back does not count", async (t) => {
  const { client } = await makeSetting(t);
  await client.cancelStart();
  await client.update(answerWell);
  for (let round = 0; round < 5; round++) {
    assert.equal((await client.start())?.version, "1.0.0");
    await client.cancelStart();
  }
});

test("an app that cannot run any model now refuses none", async (t) => {
  const { client } = await makeSetting(t);
  const lacks = (): number[] => {
    throw new UntestedError("the runtime could not be fetched");
  };
  await assert.rejects(client.update(lacks), UntestedError);
  const update = await client.update(answerWell);
  assert.deepEqual([update.model?.version, update.downloadedBytes], ["1.0.0", 0]);
});

test("a version that did not start is offered again after a week, to any app", async (t) => {
  let nowMs = Date.now();
  const { client, repository, again } = await makeSetting(t, { now: () => nowMs });
  repository.expiresMs = nowMs + 100 * 86_400_000;
  await repository.writeRoot();
  await repository.commit();
  await client.update(answerWell);
  for (let start = 0; start < 3; start++) await client.start();
  const device = { platform: "web", deviceId: "device-1", appVersion: "2.0.0" } as const;
  for (const [days, code] of [
    [0, "refused-here"],
    [6.9, "refused-here"],
    [7, "first"],
    [-1, "first"],
  ] as const) {
    nowMs += days * 86_400_000;
    assert.equal((await client.check()).code, code, `${days} days later`);
    assert.equal((await again({ device }).check()).code, code, `${days} days later`);
    nowMs -= days * 86_400_000;
  }
});

test("a version that failed its self-test is offered to the next version of the app", async (t) => {
  const { client, again } = await makeSetting(t);
  await assert.rejects(
    client.update(() => [0, 0, 1]),
    SelfTestError,
  );
  assert.equal((await client.check()).code, "refused-here");
  const device = { platform: "web", deviceId: "device-1", appVersion: "2.0.0" } as const;
  assert.equal((await again({ device }).check()).code, "first");
});

test("a version that the user left is not taken again, but a newer one is", async (t) => {
  const { client, repository } = await makeSetting(t);
  await client.update(answerWell);
  await client.start();
  await client.confirmStart();
  await repository.add("1.1.0");
  await client.update(answerWell);
  assert.deepEqual(await client.versions(), { current: "1.1.0", former: "1.0.0", left: [] });
  assert.equal(await client.goBack(), true);
  assert.deepEqual(await client.versions(), { current: "1.0.0", former: null, left: ["1.1.0"] });
  assert.equal((await client.start())?.version, "1.0.0");
  const { action, code } = await client.check();
  assert.deepEqual([action, code], ["none", "refused-here"]);
  await repository.add("1.2.0");
  assert.equal((await client.update(answerWell)).model?.version, "1.2.0");
  assert.deepEqual((await client.versions()).left, ["1.1.0"]);
});

test("a version that the user left is taken again when the user asks, without a download", async (t) => {
  const { client, repository } = await makeSetting(t);
  await client.update(answerWell);
  await repository.add("1.1.0");
  await client.update(answerWell);
  await client.goBack();
  await client.allowAgain();
  const update = await client.update(answerWell);
  assert.deepEqual([update.model?.version, update.downloadedBytes], ["1.1.0", 0]);
});

test("the user cannot go back to files that changed in storage", async (t) => {
  const { client, repository, storage } = await makeSetting(t);
  assert.equal(await client.goBack(), false);
  await client.update(answerWell);
  await repository.add("1.1.0");
  await client.update(answerWell);
  const name = `files/${sha256(new TextEncoder().encode("1.0.0"))}`;
  await storage.write(name, new TextEncoder().encode("1.0.O"));
  await assert.rejects(client.goBack(), StorageError);
  assert.equal(await versionInUse(client), "1.1.0");
});

test("no server can keep a device on what was withdrawn", async (t) => {
  const { client, repository, server, again } = await makeSetting(t);
  await repository.add("1.1.0");
  await client.update(answerWell);
  repository.channels["stable"] = { current: "1.0.0", pinned: false, rollout: null };
  const deprecated = "it sees apples everywhere";
  repository.versions[0] = { ...repository.versions[0], deprecated };
  await repository.release();
  const reason = "stay";
  server.checkAnswer = { action: "none", code: "up-to-date", reason, version: "1.1.0" };
  const update = await again({ askServer: true }).update(answerWell);
  assert.deepEqual([update.check.action, update.check.code], ["go-back", "withdrawn"]);
  assert.equal(await client.start(), null);
});

test("a version that never started is not what to go back to", async (t) => {
  const { client, repository } = await makeSetting(t);
  await client.update(answerWell);
  await client.start();
  await client.confirmStart();
  for (const version of ["1.1.0", "1.2.0"]) {
    await repository.add(version);
    await client.update(answerWell);
  }
  for (let start = 0; start < 2; start++) assert.equal((await client.start())?.version, "1.2.0");
  assert.equal((await client.start())?.version, "1.0.0");
});

test("bytes that changed in storage are never run", async (t) => {
  const { client, repository, storage } = await makeSetting(t);
  await client.update(answerWell);
  await client.start();
  await client.confirmStart();
  await repository.add("1.1.0");
  await client.update(answerWell);
  const name = `files/${sha256(new TextEncoder().encode("1.1.0"))}`;
  await storage.write(name, new TextEncoder().encode("1.1.O"));
  assert.equal((await client.start())?.version, "1.0.0");
  // The version did not fail: the next update mends it.
  assert.equal((await client.update(answerWell)).model?.version, "1.1.0");
});

test("a state that is damaged is what was shipped, not the end of the app", async (t) => {
  const { client, storage } = await makeSetting(t);
  await client.update(answerWell);
  await storage.write(`models/${MODEL}/installed.json`, new TextEncoder().encode("{"));
  assert.equal(await client.start(), null);
  assert.equal((await client.update(answerWell)).model?.version, "1.0.0");
});

test("an answer that throws, or of another length, is a failed test", async (t) => {
  const { client } = await makeSetting(t);
  const breaks = (): number[] => {
    throw new Error("no such operator");
  };
  await assert.rejects(client.update(breaks), /failed its self-test.*no such operator/);
  const other = await makeSetting(t);
  await assert.rejects(
    other.client.update(() => [1]),
    /1 answers for 3 labels/,
  );
  const none = await makeSetting(t);
  await assert.rejects(
    none.client.update(() => [NaN, NaN, NaN]),
    SelfTestError,
  );
});

test("the artifact of a self-test is one object, which an app can keep loaded", async (t) => {
  const { client } = await makeSetting(t);
  const seen = new Set<LoadedArtifact>();
  await client.update((photo, artifact) => {
    seen.add(artifact);
    return answerWell(photo);
  });
  assert.equal(seen.size, 1);
});

test("the signed share of a rollout counts, with and without a server", async (t) => {
  const { again, repository } = await makeSetting(t);
  await repository.add("1.1.0");
  const bucket = await findBucket(webCryptography(), SALT, "device-1");
  const shareOf = (value: number): number => Math.floor((value * 10_000) / 2 ** 32);
  for (const [shareBp, version] of [
    [shareOf(bucket), "1.0.0"],
    [shareOf(bucket) + 1, "1.1.0"],
  ]) {
    const rollout = {
      version: "1.1.0",
      share_bp: shareBp,
      salt: SALT,
      started_at: "2026-11-24T15:45:00Z",
    };
    repository.channels["stable"] = { current: "1.0.0", pinned: false, rollout };
    await repository.release();
    const client = again({ storage: memoryStorage() });
    assert.equal((await client.check()).version, version);
    const nameless = again({ device: { platform: "web" }, storage: memoryStorage() });
    assert.equal((await nameless.check()).version, "1.0.0");
  }
});

test("a server can hold back, but not offer more than was signed", async (t) => {
  const { repository, server, again } = await makeSetting(t);
  await repository.add("1.1.0");
  const client = again({ askServer: true });
  const reason = "because";
  server.checkAnswer = { action: "none", code: "halted", reason, version: "1.1.0" };
  assert.deepEqual(await client.update(answerWell).then(({ check }) => check.code), "halted");
  // The server names what only an older policy allowed.
  server.checkAnswer = { action: "take", code: "first", reason, version: "1.0.0" };
  const refused = await client.check();
  assert.deepEqual([refused.action, refused.code], ["none", "not-offered"]);
  const manifest = { url: "/x", sha256: "0".repeat(64), size_bytes: 1 };
  server.checkAnswer = { action: "take", code: "first", reason, version: "1.1.0", manifest };
  assert.equal((await client.check()).code, "not-offered");
  server.checkAnswer = {
    action: "take",
    code: "first",
    reason,
    version: "1.1.0",
    check_again_s: 60,
  };
  const update = await client.update(answerWell);
  assert.deepEqual([update.model?.version, update.check.checkAgainS], ["1.1.0", 60]);
  server.checkAnswer = { action: "go-back", code: "halted", reason, version: "1.1.0" };
  await client.update(answerWell);
  assert.equal(await client.start(), null);
});

test("the server is told what the device is, runs, keeps and refuses", async (t) => {
  const { server, again } = await makeSetting(t);
  await again().update(answerWell);
  server.checkAnswer = { action: "none", code: "up-to-date", reason: "", version: "1.0.0" };
  const device = {
    platform: "web",
    deviceId: "d",
    osVersion: "17.4",
    appVersion: "2.0.0",
    runtimes: [{ name: "litert", version: "2.5.3" }],
    network: "metered",
  } as const;
  await again({ askServer: true, device: () => Promise.resolve(device) }).check();
  const { path, value } = server.posted.at(-1) ?? { path: "", value: {} };
  assert.equal(path, `v1/models/${MODEL}/check`);
  const current = value["current"] as Record<string, string>;
  assert.equal(current["version"], "1.0.0");
  assert.match(current["manifest_sha256"] ?? "", /^[0-9a-f]{64}$/);
  assert.deepEqual(value, {
    platform: "web",
    os_version: "17.4",
    app_version: "2.0.0",
    device_id: "d",
    channel: "stable",
    runtimes: [{ name: "litert", version: "2.5.3" }],
    network: "metered",
    current,
    have: [sha256(new TextEncoder().encode("1.0.0"))],
    refused: [],
  });
});

test("self-test, start and crash are reported, once each", async (t) => {
  const { repository, server, again } = await makeSetting(t);
  const client = again({ askServer: true });
  server.checkAnswer = { action: "take", code: "first", reason: "", version: "1.0.0" };
  await client.update(answerWell);
  for (let start = 0; start < 2; start++) {
    await client.start();
    await client.confirmStart();
  }
  await repository.add("1.1.0");
  server.checkAnswer = { action: "take", code: "new-version", reason: "", version: "1.1.0" };
  await client.update(answerWell);
  for (let start = 0; start < 3; start++) await client.start();
  const reports = server.posted.filter(({ path }) => path === `v1/models/${MODEL}/reports`);
  assert.deepEqual(
    reports.map(({ value }) => [value["event"], value["version"], value["passed"]]),
    [
      ["self-test", "1.0.0", true],
      ["start", "1.0.0", true],
      ["self-test", "1.1.0", true],
      ["crash", "1.1.0", false],
    ],
  );
  assert.equal(new Set(reports.map(({ value }) => value["report_id"])).size, 4);
  const [first] = reports;
  assert.deepEqual(first?.value["figures"], {
    photos: 3,
    max_probability_difference: 0,
    duration_ms: (first?.value["figures"] as Record<string, unknown>)["duration_ms"],
  });
});

test("a report waits until the server takes it, and is dropped where it never will", async (t) => {
  const { server, again, storage } = await makeSetting(t);
  const client = again({ askServer: true });
  server.checkAnswer = { action: "take", code: "first", reason: "", version: "1.0.0" };
  server.reportStatus = 503;
  await client.update(answerWell);
  const [waiting] = await storage.list("reports/");
  assert.ok(waiting);
  server.reportStatus = 202;
  assert.equal(await client.sendReports(), 1);
  const ids = server.posted.flatMap(({ value }) => value["report_id"] ?? []);
  assert.equal(new Set(ids).size, 1);
  assert.equal(await client.sendReports(), 0);
  server.reportStatus = 422;
  await client.confirmStart();
  assert.deepEqual(await storage.list("reports/"), []);
});

test("nothing is taken out of the browser's own cache, where a bad file would stay", async (t) => {
  const caching = new Set<string | undefined>();
  const fetch: typeof globalThis.fetch = (input, init) => {
    caching.add(init?.cache);
    return globalThis.fetch(input, init);
  };
  const { client } = await makeSetting(t, { fetch });
  await client.update(answerWell);
  assert.deepEqual([...caching], ["no-store"]);
});

test("a server that is down stops nothing that runs", async (t) => {
  const { client, server } = await makeSetting(t);
  await client.update(answerWell);
  await server.stop();
  await assert.rejects(client.update(answerWell), NetworkError);
  assert.equal((await client.start())?.version, "1.0.0");
});

test("the trusted root may be bytes, text or an imported object", async (t) => {
  const { again, repository } = await makeSetting(t);
  const text = new TextDecoder().decode(repository.trustedRoot);
  for (const trustedRoot of [text, JSON.parse(text) as object]) {
    const client = again({ trustedRoot, storage: memoryStorage() });
    assert.equal((await client.check()).version, "1.0.0");
  }
});

test("settings that cannot be are refused", async () => {
  const options = {
    url: "https://models.example.org/",
    trustedRoot: "{}",
    model: MODEL,
    device: { platform: "web" },
    storage: memoryStorage(),
  } as const;
  assert.throws(() => new GhostlensClient({ ...options, url: "ftp://x" }), ConfigError);
  assert.throws(() => new GhostlensClient({ ...options, model: "../x" }), ConfigError);
  const device = { platform: "symbian" } as unknown as typeof options.device;
  await assert.rejects(new GhostlensClient({ ...options, device }).check(), ConfigError);
  await assert.rejects(new GhostlensClient(options).check(), { code: "malformed" });
});

test("two clients that share one storage do not get into each other's way", async (t) => {
  const { again, server } = await makeSetting(t);
  const [first, second] = [again(), again()];
  const updates = await Promise.all([first.update(answerWell), second.update(answerWell)]);
  assert.deepEqual(
    updates.map(({ check }) => check.code),
    ["first", "up-to-date"],
  );
  assert.equal(server.of(".tflite").length, 1);
});
