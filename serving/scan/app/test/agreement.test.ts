import assert from "node:assert/strict";
import { test } from "node:test";
import type { Recognition } from "ghostlens";
import { compare, inWords } from "../src/try/agreement.ts";
import type { CloudAnswer } from "../src/try/cloud.ts";

const lime = { label: "lime", probability: 0.6 };
const lemon = { label: "lemon", probability: 0.3 };
const pear = { label: "pear", probability: 0.1 };
const here: Recognition = {
  verdict: "coarse",
  answers: [lime, lemon, pear],
  coarse: { label: "citrus", probability: 0.9, choices: [lime, lemon] },
};
const there: CloudAnswer = {
  ...here,
  answered_by: "device",
  architecture: "ghostnet_100",
  words: "citrus (which one is not sure)",
  timings_ms: {},
};

test("the same answers agree without a difference", () => {
  assert.deepEqual(compare(here, there), {
    sameNetwork: true,
    sameName: true,
    sameVerdict: true,
    largestDifference: 0,
    labels: 3,
  });
});

test("the largest difference is that of one label, whatever its place", () => {
  const answers = [{ label: "lemon", probability: 0.55 }, { label: "lime", probability: 0.45 }];
  const found = compare(here, { ...there, verdict: "unsure", answers });
  assert.equal(found.sameName, false);
  assert.equal(found.sameVerdict, false);
  assert.equal(found.labels, 2);
  assert.ok(Math.abs(found.largestDifference - 0.25) < 1e-12);
});

test("a wider network on the server is told apart", () => {
  assert.equal(compare(here, { ...there, answered_by: "cloud" }).sameNetwork, false);
});

test("a device says in words what the server would say", () => {
  assert.equal(inWords(here), there.words);
  assert.equal(inWords({ ...here, verdict: "sure" }), "lime");
  assert.equal(inWords({ ...here, verdict: "unsure" }), "not sure: perhaps lime");
  assert.equal(inWords({ ...here, verdict: "unknown" }), "not a known item (nearest: lime)");
  const alone = { label: "pear", probability: 0.9, choices: [pear] };
  assert.equal(inWords({ ...here, coarse: alone }), "likely pear");
});
