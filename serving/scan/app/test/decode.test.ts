import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ASPECT, MAX_PIXELS, describeSize } from "../src/recognising/decode.ts";

test("photos are allowed as large and as thin as the server takes them, and no more", () => {
  assert.equal(describeSize(8125, 6400), null);
  assert.equal(8125 * 6400, MAX_PIXELS);
  assert.match(describeSize(8125, 6401) ?? "", /^8125 x 6401 is 52\.0 megapixels; allowed are 52$/);
  assert.equal(describeSize(20 * MAX_ASPECT, 20), null);
  assert.equal(describeSize(20, 20 * MAX_ASPECT), null);
  assert.match(describeSize(20 * MAX_ASPECT + 1, 20) ?? "", /too thin; allowed are up to 20 : 1$/);
});
