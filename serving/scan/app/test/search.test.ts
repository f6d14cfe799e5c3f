import assert from "node:assert/strict";
import { test } from "node:test";
import { fold, makeIndex, search } from "../src/correcting/search.ts";

const NAMES: Record<string, string[]> = {
  apple: ["apple", "苹果", "Äpfel"],
  "pine apple": ["pine apple", "菠萝"],
  "green_apple": ["green_apple", "青苹果"],
  pear: ["pear", "梨", "Birne"],
};
const INDEX = makeIndex(Object.keys(NAMES), (label) => NAMES[label] ?? []);

test("case, accents, width and what stands between words make no difference", () => {
  assert.equal(fold("  Crème-BRÛLÉE "), "creme brulee");
  assert.equal(fold("ＡＢＣ１"), "abc1");
  assert.equal(fold("Straße"), fold("STRASSE"));
  assert.equal(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
  assert.equal(fold("granny_smith"), "granny smith");
});

test("the whole name comes first, then beginnings, then words within", () => {
  assert.deepEqual(search(INDEX, "apple"), ["apple", "pine apple", "green_apple"]);
  assert.deepEqual(search(INDEX, "app"), ["apple", "pine apple", "green_apple"]);
  assert.deepEqual(search(INDEX, "reen"), ["green_apple"]);
  assert.deepEqual(search(INDEX, "apple green"), ["green_apple"]);
  assert.deepEqual(search(INDEX, "xyz"), []);
});

test("names of every language are searched in, and the label is found", () => {
  assert.deepEqual(search(INDEX, "apfel"), ["apple"]);
  assert.deepEqual(search(INDEX, "苹果"), ["apple", "green_apple"]);
  assert.deepEqual(search(INDEX, "birne"), ["pear"]);
});

test("what was chosen lately comes first among equals, and alone where nothing is typed", () => {
  const recent = ["pear", "green_apple"];
  assert.deepEqual(search(INDEX, "", recent), ["pear", "green_apple", "apple", "pine apple"]);
  assert.deepEqual(search(INDEX, "app", recent), ["apple", "green_apple", "pine apple"]);
  assert.deepEqual(search(INDEX, "", ["gone", "pear"])[0], "pear", "labels go with releases");
});

test("characters that patterns know are characters", () => {
  assert.deepEqual(search(INDEX, ".*"), []);
  assert.deepEqual(search(INDEX, "[a"), []);
});
