/** Downloads over connections that break, and servers that answer otherwise than was asked. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { webCryptography } from "../src/crypto.js";
import { type DownloadOptions, download, fileName } from "../src/download.js";
import { NetworkError, TrustError } from "../src/errors.js";
import { memoryStorage } from "../src/storage/memory.js";
import type { Storage } from "../src/storage/storage.js";
import { sha256 } from "./support/repository.js";
import { TestServer } from "./support/server.js";

const DATA = new Uint8Array(3_000_000).map((_, index) => (index * 2_654_435_761) >>> 24);
const CUT_AT_BYTES = 1_200_000;

interface Setting {
  readonly server: TestServer;
  readonly storage: Storage;
  readonly files: Map<string, Uint8Array>;
  readonly pull: (changes?: Partial<DownloadOptions>) => Promise<number>;
}

async function makeSetting(t: TestContext): Promise<Setting> {
  const files = new Map([["file", DATA]]);
  const server = await TestServer.start(files);
  t.after(() => server.stop());
  const storage = memoryStorage();
  const wanted = { url: `${server.url}/file`, sha256: sha256(DATA), sizeBytes: DATA.length };
  const pull = (changes: Partial<DownloadOptions> = {}): Promise<number> =>
    download(wanted, {
      connection: { fetch: globalThis.fetch, timeoutMs: 2000 },
      storage,
      cryptography: webCryptography(),
      retries: 0,
      retryDelayMs: 0,
      ...changes,
    });
  return { server, storage, files, pull };
}

async function assertWhole(storage: Storage): Promise<void> {
  assert.deepEqual(await storage.read(fileName(sha256(DATA))), DATA);
  assert.deepEqual(await storage.list("parts/"), []);
}

test("a broken connection is taken up again where it broke off", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  server.cutAtBytes.set("file", CUT_AT_BYTES);
  assert.equal(await pull({ retries: 1 }), DATA.length);
  await assertWhole(storage);
  const [first, second] = server.requests;
  assert.deepEqual([first?.range, server.requests.length], [undefined, 2]);
  assert.equal(second?.range, `bytes=${CUT_AT_BYTES}-`);
  assert.equal(second?.ifRange, `"${sha256(DATA)}"`);
});

test("so it is after a restart of the app", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  server.cutAtBytes.set("file", CUT_AT_BYTES);
  await assert.rejects(pull(), NetworkError);
  assert.equal(await storage.read(fileName(sha256(DATA))), null);
  const told: number[] = [];
  assert.equal(await pull({ onBytes: (here) => told.push(here) }), DATA.length - CUT_AT_BYTES);
  assert.deepEqual([told[0], told.at(-1)], [CUT_AT_BYTES, DATA.length]);
  await assertWhole(storage);
});

test("a server without ETag is trusted to go on, as the hash decides", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  server.etags = false;
  server.cutAtBytes.set("file", CUT_AT_BYTES);
  assert.equal(await pull({ retries: 1 }), DATA.length);
  assert.deepEqual(
    server.requests.map(({ ifRange }) => ifRange),
    [undefined, undefined],
  );
  await assertWhole(storage);
});

test("a server without ranges is read from the beginning", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  server.ignoresRange = true;
  server.cutAtBytes.set("file", CUT_AT_BYTES);
  assert.equal(await pull({ retries: 1 }), CUT_AT_BYTES + DATA.length);
  await assertWhole(storage);
});

test("content that changed in between is read from the beginning", async (t) => {
  const { server, storage, files, pull } = await makeSetting(t);
  files.set("file", DATA.slice().reverse());
  server.cutAtBytes.set("file", CUT_AT_BYTES);
  await assert.rejects(pull(), NetworkError);
  files.set("file", DATA);
  assert.equal(await pull(), DATA.length);
  await assertWhole(storage);
});

test("pieces that were damaged in storage cost a second download, and no more", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  server.cutAtBytes.set("file", CUT_AT_BYTES);
  await assert.rejects(pull(), NetworkError);
  const [name] = (await storage.list("parts/")).filter((part) => !part.endsWith("etag")).sort();
  const piece = await storage.read(name ?? "");
  assert.ok(piece);
  await storage.write(name ?? "", piece.fill(0));
  await pull();
  await assertWhole(storage);
});

test("a piece that was lost starts anew", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  server.cutAtBytes.set("file", 2_500_000);
  await assert.rejects(pull(), NetworkError);
  const [name] = (await storage.list("parts/")).filter((part) => !part.endsWith("etag")).sort();
  await storage.remove(name ?? "");
  assert.equal(await pull(), DATA.length);
  await assertWhole(storage);
});

test("other bytes of the right length are refused, and nothing is kept", async (t) => {
  const { storage, files, pull } = await makeSetting(t);
  files.set("file", DATA.slice().fill(1, 0, 1));
  await assert.rejects(
    pull(),
    (error) => error instanceof TrustError && error.code === "other-bytes",
  );
  assert.deepEqual(await storage.list(""), []);
});

test("more bytes than were signed are refused while they come", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  server.endless.add("file");
  await assert.rejects(
    pull(),
    (error) => error instanceof TrustError && error.code === "too-large",
  );
  assert.deepEqual(await storage.list("files/"), []);
});

test("a file that ends early is no file", async (t) => {
  const { storage, files, pull } = await makeSetting(t);
  files.set("file", DATA.slice(0, 1000));
  await assert.rejects(pull(), /broke off after 1000 of 3000000 bytes/);
  assert.deepEqual(await storage.list("files/"), []);
});

test("an empty file is a file", async (t) => {
  const { server, storage, files } = await makeSetting(t);
  files.set("empty", new Uint8Array());
  const wanted = { url: `${server.url}/empty`, sha256: sha256(new Uint8Array()), sizeBytes: 0 };
  const connection = { fetch: globalThis.fetch, timeoutMs: 2000 };
  const options = {
    connection,
    storage,
    cryptography: webCryptography(),
    retries: 0,
    retryDelayMs: 0,
  };
  assert.equal(await download(wanted, options), 0);
  assert.equal((await storage.read(fileName(wanted.sha256)))?.length, 0);
});

test("a missing file is not asked for again", async (t) => {
  const { server, files, pull } = await makeSetting(t);
  files.delete("file");
  await assert.rejects(pull({ retries: 3 }), (error) => {
    return error instanceof NetworkError && error.status === 404;
  });
  assert.equal(server.requests.length, 1);
});

test("an upset server is asked again", async (t) => {
  const { server, storage, pull } = await makeSetting(t);
  let left = 2;
  server.reply = (_, response) => {
    if (left-- <= 0) return false;
    response.writeHead(503).end();
    return true;
  };
  assert.equal(await pull({ retries: 2 }), DATA.length);
  await assertWhole(storage);
});

test("a download that is called off stops, and is taken up later", async (t) => {
  const { storage, pull } = await makeSetting(t);
  const control = new AbortController();
  const reason = new Error("the user left");
  const onBytes = (received: number): void => {
    if (received > CUT_AT_BYTES) control.abort(reason);
  };
  await assert.rejects(pull({ signal: control.signal, onBytes, retries: 3 }), reason);
  assert.ok((await pull()) < DATA.length);
  await assertWhole(storage);
});

test("a fetch without streams, as React Native's, works", async (t) => {
  const { storage, pull } = await makeSetting(t);
  const plain: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    return Object.defineProperty(response, "body", { value: undefined });
  };
  assert.equal(await pull({ connection: { fetch: plain, timeoutMs: 2000 } }), DATA.length);
  await assertWhole(storage);
});

test("storage that is full is a typed error", async (t) => {
  const { storage, pull } = await makeSetting(t);
  const { StorageError } = await import("../src/errors.js");
  const full = (): Promise<void> => Promise.reject(new StorageError("the disk is full"));
  await assert.rejects(pull({ storage: { ...storage, write: full } }), StorageError);
});
