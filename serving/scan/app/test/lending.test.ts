import assert from "node:assert/strict";
import { test } from "node:test";
import { lend } from "../src/delivery/lending.ts";
import { CrashedError, PhotoError, type Recogniser, type Scores } from "../src/recognising/recogniser.ts";

const SCORES = { probabilities: new Float32Array(1), knownScore: 1 } as unknown as Scores;

/** A recogniser whose answers come when the test says. */
function makeRecogniser() {
  let settle: (error?: Error) => void = () => undefined;
  const made = {
    closed: 0,
    settle: (error?: Error) => settle(error),
  };
  const answer = (): Promise<Scores> =>
    new Promise((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve(SCORES));
    });
  const recogniser: Recogniser = {
    accelerator: "wasm",
    answerPhoto: answer,
    answerFrame: answer,
    close: () => (made.closed += 1),
  };
  return { made, lent: lend(recogniser) };
}

test("a recogniser that is retired is closed after the answer that somebody waits for", async () => {
  const { made, lent } = makeRecogniser();
  const answer = lent.answerPhoto(new Uint8Array());
  lent.retire();
  assert.equal(made.closed, 0);
  made.settle();
  assert.equal(await answer, SCORES);
  assert.equal(made.closed, 1);
});

test("one that nobody waits for is closed at once", () => {
  const { made, lent } = makeRecogniser();
  lent.retire();
  assert.equal(made.closed, 1);
});

test("one that dies says so, once; a bad photo is not its death", async () => {
  const { made, lent } = makeRecogniser();
  let crashes = 0;
  lent.onCrash = () => (crashes += 1);
  for (const [error, expected] of [
    [new PhotoError("no photo"), 0],
    [new CrashedError("out of memory"), 1],
    [new CrashedError("it is dead"), 1],
  ] as const) {
    const answer = lent.answerPhoto(new Uint8Array());
    made.settle(error);
    await assert.rejects(answer, error);
    assert.equal(crashes, expected);
    assert.equal(lent.hasCrashed, expected === 1);
  }
});
