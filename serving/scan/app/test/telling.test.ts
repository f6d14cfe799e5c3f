import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import type { Recognition } from "ghostlens";
import type { Scan } from "../src/scan.ts";
import { tellAloud, tellCorrected } from "../src/scanning/telling.ts";
import { language } from "../src/words/words.ts";

const ORANGE = {
  verdict: "sure",
  answers: [{ label: "orange", probability: 0.9 }],
  coarse: null,
} as unknown as Recognition;

afterEach(() => {
  language.value = "en";
});

test("answers are read aloud with the stops of the language in use", () => {
  assert.equal(tellAloud(ORANGE, ""), "orange. Sure.");
  language.value = "zh-Hans";
  assert.equal(tellAloud(ORANGE, ""), "orange。确定。");
});

test("a corrected answer is told as what it was, and whose", () => {
  const scan = { recognition: ORANGE, version: "1.0.0" } as unknown as Scan;
  const told = (by: "device" | "server"): string =>
    tellCorrected({ ...scan, source: { by, tookMs: 12.3 } as Scan["source"] });
  assert.equal(told("device"), "The device said: orange (version 1.0.0, 12 ms)");
  assert.equal(told("server"), "The server said: orange (version 1.0.0, 12 ms)");
});
