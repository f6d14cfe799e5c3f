import assert from "node:assert/strict";
import { test } from "node:test";
import {
  NetworkError,
  SelfTestError,
  StorageError,
  TrustError,
  UntestedError,
  browserStorage,
} from "ghostlens";
import { ChoiceError } from "../src/delivery/choosing.ts";
import { ElsewhereError } from "../src/delivery/elsewhere.ts";
import { explain, explainNothing, mayPass } from "../src/delivery/problems.ts";
import { InsecureError } from "../src/recognising/errors.ts";
import { RuntimeMissingError, UnsupportedError } from "../src/recognising/recogniser.ts";
import { OfflineError, RefusedError } from "../src/server.ts";

test("each kind of error is told in words of its own", () => {
  const full = new DOMException("", "QuotaExceededError");
  const told: [Error, string][] = [
    [new OfflineError("no answer"), "model.problem.offline"],
    [new NetworkError("unreachable"), "model.problem.offline"],
    [new NetworkError("upset", 503), "model.problem.server"],
    [new RefusedError(401, "no key"), "model.problem.key"],
    [new NetworkError("no key", 401), "model.problem.key"],
    [new RefusedError(403, "not for pull"), "model.problem.scope"],
    [new ChoiceError([]), "model.problem.none"],
    [new ChoiceError(["a", "b"]), "model.problem.choose"],
    [new TrustError("expired", "x"), "model.problem.expired"],
    [new TrustError("older", "x"), "model.problem.older"],
    [new TrustError("unsigned", "x"), "model.problem.unsigned"],
    [new TrustError("other-bytes", "x"), "model.problem.tampered"],
    [new TrustError("malformed", "x"), "model.problem.tampered"],
    [new SelfTestError("x"), "model.problem.selfTest"],
    [new StorageError("x", { cause: full }), "model.problem.full"],
    [new StorageError("x"), "model.problem.storage"],
    [new InsecureError("http"), "scan.camera.insecure"],
    [new UnsupportedError("no SIMD"), "model.problem.unsupported"],
    [new UntestedError("x", { cause: new RuntimeMissingError("x") }), "model.problem.runtime"],
    [new TypeError("a mistake of ours"), "model.problem.other"],
  ];
  for (const [error, word] of told) {
    const problem = explain(error, null);
    assert.equal(problem.word, word, String(error));
    assert.notEqual(problem.detail, "");
  }
});

test("a download that was cut is told with what is kept of it", () => {
  const progress = { doneBytes: 3_400_000, totalBytes: 20_600_000 };
  const { word, values } = explain(new NetworkError("broke off"), progress);
  assert.equal(word, "model.problem.cut");
  assert.deepEqual(values, { done: "3.4", total: "21" });
  assert.equal(explain(new NetworkError("upset", 429), progress).word, "model.problem.server");
  const elsewhere = new NetworkError("x", 0, { cause: new ElsewhereError("no leave") });
  assert.equal(explain(elsewhere, progress).word, "model.problem.cut");
  assert.equal(explain(elsewhere, null).word, "model.problem.elsewhere");
});

test("the code of what is not trusted stands in the details", () => {
  assert.match(explain(new TrustError("other-bytes", "x.tflite"), null).detail, /other-bytes/);
});

test("only what may pass by itself is tried again soon", () => {
  for (const error of [
    new OfflineError(),
    new NetworkError("x"),
    new NetworkError("x", 429),
    new RefusedError(503, "x"),
    new UntestedError("x", { cause: new RuntimeMissingError("x") }),
  ]) {
    assert.equal(mayPass(error), true, String(error));
  }
  for (const error of [
    new RefusedError(401, "x"),
    new NetworkError("x", 404),
    new TrustError("expired", "x"),
    new SelfTestError("x"),
    new UntestedError("x", { cause: new UnsupportedError("x") }),
    null,
  ]) {
    assert.equal(mayPass(error), false, String(error));
  }
});

test("a device that is offered nothing is told why, where there are words for it", () => {
  assert.equal(explainNothing("no-space", "").word, "model.problem.full");
  assert.equal(explainNothing("a code of tomorrow", "").word, "model.problem.notOffered");
});

test("the client's storage says by its cause that a device is full", async (t) => {
  t.after(() => Reflect.deleteProperty(globalThis, "indexedDB"));
  const refusing = {
    open: () => {
      throw new DOMException("", "QuotaExceededError");
    },
  };
  Object.defineProperty(globalThis, "indexedDB", { value: refusing, configurable: true });
  const error = await browserStorage("x").read("y").catch((thrown: unknown) => thrown);
  assert.equal(explain(error, null).word, "model.problem.full");
});
