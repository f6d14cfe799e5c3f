/** Which of a release's files a device takes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type OfferedArtifact, chooseArtifact } from "../src/decide.js";

const make = (precision: OfferedArtifact["precision"], sizeBytes: number): OfferedArtifact => ({
  path: `artifacts/${precision}.tflite`,
  runtime: "litert",
  precision,
  backend: "",
  platforms: ["web"],
  madeWith: "",
  sha256: precision.padEnd(64, "0"),
  sizeBytes,
});
// In an order that is neither that of size nor that of faithfulness.
const ARTIFACTS = [make("dynamic-int8", 4_700), make("int8", 4_800), make("fp32", 16_200), make("fp16", 8_100)];

const choose = (mostBytes?: number): string | undefined =>
  chooseArtifact(ARTIFACTS, { platform: "web", mostBytes })?.precision;

test("the most faithful file is taken where nothing is said of its size", () => {
  assert.equal(choose(), "fp32");
});

test("the most faithful of those that are small enough is taken", () => {
  assert.equal(choose(16_200), "fp32");
  assert.equal(choose(16_199), "fp16");
  assert.equal(choose(8_099), "int8");
});

test("the smallest is taken where all are larger", () => {
  assert.equal(choose(100), "int8");
});

test("a file whose kernels differ by the runtime is taken where there is no other", () => {
  const device = { platform: "web", mostBytes: 100 } as const;
  assert.equal(chooseArtifact(ARTIFACTS.slice(0, 1), device)?.precision, "dynamic-int8");
});

test("a precision that is asked for is taken whatever its size", () => {
  const device = { platform: "web", precision: "fp32", mostBytes: 100 } as const;
  assert.equal(chooseArtifact(ARTIFACTS, device)?.precision, "fp32");
});
