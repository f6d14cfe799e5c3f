/** Canonical JSON and path patterns, as python-tuf has them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TrustError } from "../src/errors.js";
import { encodeCanonical } from "../src/tuf/canonical.js";
import { matchesPattern } from "../src/tuf/patterns.js";

const encode = (value: unknown): string => new TextDecoder().decode(encodeCanonical(value));

test("canonical JSON of securesystemslib's own examples", () => {
  assert.equal(encode(""), '""');
  assert.equal(encode([1, 2, 3]), "[1,2,3]");
  assert.equal(encode([]), "[]");
  assert.equal(encode({}), "{}");
  assert.equal(encode({ A: [99] }), '{"A":[99]}');
  assert.equal(encode({ x: 3, y: 2 }), '{"x":3,"y":2}');
  assert.equal(encode({ x: 3, y: null }), '{"x":3,"y":null}');
});

test("only quotation marks and backslashes are escaped", () => {
  assert.equal(encode('a"b\\c\nü\u0001/'), '"a\\"b\\\\c\nü\u0001/"');
});

test("keys are sorted by code point, not by UTF-16 unit", () => {
  assert.equal(
    encode({ "\u{1f34c}": 1, "\uff00": 2, b: 3, aa: 4, a: 5 }),
    '{"a":5,"aa":4,"b":3,"\uff00":2,"\u{1f34c}":1}',
  );
});

test("keys that look like numbers are sorted as texts", () => {
  assert.equal(encode({ 10: 1, 9: 2 }), '{"10":1,"9":2}');
});

test("numbers that two languages would write differently are refused", () => {
  for (const value of [1.5, 2 ** 53, NaN, Infinity, undefined, [() => 1]]) {
    assert.throws(() => encode(value), TrustError);
  }
  assert.equal(encode([-1, 0, true, false]), "[-1,0,true,false]");
});

test("patterns never cross a slash", () => {
  assert.ok(matchesPattern("colours/release.json", "colours/*"));
  assert.ok(matchesPattern("colours/1.0.0/labels.txt", "colours/*/*"));
  assert.ok(!matchesPattern("colours/1.0.0/labels.txt", "colours/*"));
  assert.ok(!matchesPattern("colours/release.json", "colours/*/*"));
  assert.ok(!matchesPattern("flowers/release.json", "colours/*"));
  assert.ok(!matchesPattern("colours", "colours/*"));
  assert.ok(matchesPattern("colours/", "colours/*"));
});

test("patterns take shell wildcards, and nothing of regular expressions", () => {
  assert.ok(matchesPattern("a.b", "a.b"));
  assert.ok(!matchesPattern("axb", "a.b"));
  assert.ok(matchesPattern("ab", "a?"));
  assert.ok(!matchesPattern("a", "a?"));
  assert.ok(matchesPattern("b", "[a-c]"));
  assert.ok(!matchesPattern("d", "[a-c]"));
  assert.ok(matchesPattern("d", "[!a-c]"));
  assert.ok(matchesPattern("]", "[]]"));
  assert.ok(matchesPattern("^", "[\\^]"));
  assert.ok(matchesPattern("[a", "[a"));
  assert.ok(matchesPattern("a+(b)|c$", "a+(b)|c$"));
});
