import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import en from "../src/words/en.json";
import zhHans from "../src/words/zh-Hans.json";

/** Returns the names in braces of a text. */
const listPlaces = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(String).sort();

test("every language has every word, with the same places to fill", () => {
  assert.deepEqual(Object.keys(zhHans).sort(), Object.keys(en).sort());
  for (const [word, text] of Object.entries(zhHans)) {
    const english = en[word as keyof typeof en];
    assert.deepEqual(listPlaces(text), listPlaces(english), word);
    assert.notEqual(text.trim(), "", word);
  }
});

test("no word stands twice: the second would hide the first", () => {
  for (const name of ["en", "zh-Hans"]) {
    const text = readFileSync(new URL(`../src/words/${name}.json`, import.meta.url), "utf8");
    const words = [...text.matchAll(/^ {2}"([^"]+)":/gm)].map(([, word]) => word);
    assert.ok(words.length > 0);
    assert.deepEqual(words.length, new Set(words).size, name);
  }
});
