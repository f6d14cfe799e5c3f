import assert from "node:assert/strict";
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
