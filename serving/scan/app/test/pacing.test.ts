import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerError, readAnswer } from "../src/scanning/asking.ts";
import { describeFailure } from "../src/scanning/fallback.ts";
import { isWorthAsking, LEAST_MS, Pace } from "../src/scanning/pacing.ts";
import { OfflineError, RefusedError } from "../src/server.ts";

test("the server is asked where the device is unsure, or sure of the kind alone", () => {
  const verdicts = ["sure", "coarse", "unsure", "unknown"] as const;
  assert.deepEqual(verdicts.filter(isWorthAsking), ["coarse", "unsure"]);
});

test("questions keep their distance, but for those that the user asks", () => {
  const pace = new Pace();
  assert.ok(pace.mayAsk(0));
  pace.noteAsked(0);
  assert.ok(!pace.mayAsk(LEAST_MS - 1) && pace.mayAsk(LEAST_MS - 1, true));
  assert.ok(pace.mayAsk(LEAST_MS));
});

test("a busy server is left alone for as long as it says, by the user as well", () => {
  for (const status of [429, 503]) {
    const pace = new Pace();
    pace.noteRefused(1000, status, 20);
    assert.ok(!pace.mayAsk(20_999) && !pace.mayAsk(20_999, true));
    assert.ok(pace.mayAsk(21_000));
  }
});

test("a key that was refused is not tried again until there is another", () => {
  for (const status of [401, 403]) {
    const pace = new Pace();
    pace.noteRefused(0, status, null);
    assert.ok(!pace.mayAsk(1e12, true));
    pace.reset();
    assert.ok(pace.mayAsk(0));
  }
});

test("without a network the page asks less often, and the user may try at once", () => {
  const pace = new Pace();
  pace.noteOffline(0);
  assert.ok(!pace.mayAsk(LEAST_MS) && pace.mayAsk(LEAST_MS, true));
});

test("every refusal is said in words of its own, with how long to wait", () => {
  const words = [401, 413, 429, 503, 404].map((status) => {
    return describeFailure(new RefusedError(status, "no", 20));
  });
  assert.equal(new Set(words.map(({ word }) => word)).size, 5);
  assert.deepEqual(words[2]?.values, { seconds: 20 });
  assert.equal(describeFailure(new RefusedError(429, "no", 9 * 3600)).word, "scan.ask.later");
  assert.equal(describeFailure(new OfflineError("no")).word, "scan.ask.offline");
});

test("an answer of the server is read, and one that lacks something is refused", () => {
  const answers = [{ label: "lime", probability: 0.8 }];
  const whole = { verdict: "sure", answers, coarse: null, answered_by: "cloud", more: 1 };
  assert.deepEqual(readAnswer(whole), { verdict: "sure", answers, coarse: null, network: "cloud" });
  const bad = [null, [], { ...whole, verdict: "maybe" }, { ...whole, answers: [] }];
  for (const data of [...bad, { ...whole, coarse: { label: "citrus", probability: 1 } }]) {
    assert.throws(() => readAnswer(data), AnswerError);
  }
});
