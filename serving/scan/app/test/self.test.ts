import assert from "node:assert/strict";
import { test } from "node:test";
import { findNetwork } from "../src/delivery/self.ts";
import { findOutcome } from "../src/settings/outcomes.ts";

test("a network is only called unmetered where the browser says that it is", () => {
  assert.equal(findNetwork({ type: "wifi" }), "unmetered");
  assert.equal(findNetwork({ type: "wifi", saveData: true }), "metered");
  assert.equal(findNetwork({ type: "cellular" }), "metered");
  assert.equal(findNetwork({ type: "unknown" }), undefined);
  assert.equal(findNetwork(undefined), undefined);
});

test("what a check found is told, also by a code of tomorrow; its time alone is not", () => {
  assert.equal(findOutcome({ code: "up-to-date" }), "settings.outcome.upToDate");
  assert.equal(findOutcome({ code: "a code of tomorrow" }), "settings.outcome.waiting");
  assert.equal(findOutcome({ code: "" }), null);
});
