/** The shared vectors of documents, pixels and verdicts: read and refused as in every language. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Confidence } from "../src/documents.js";
import { readHierarchy } from "../src/documents.js";
import { ConfigError, ManifestError } from "../src/errors.js";
import { judge } from "../src/judge.js";
import { parseManifest } from "../src/manifest.js";
import { chooseLanguage, listLanguages, parseNames } from "../src/names.js";
import { type Pixels, Preparation, preprocess, resize } from "../src/preprocess.js";
import { JsonNode, readJson } from "../src/reading.js";
import { parseRelease } from "../src/release.js";
import { readVectors } from "./support/vectors.js";

type Path = (string | number)[];
type Holder = Record<string | number, unknown>;

interface Change {
  document: keyof typeof parsers;
  path: Path;
  value?: unknown;
}

interface Limits {
  temperature: number;
  score: Confidence["known"]["score"];
  min_score: number | null;
  sure: number | null;
  coarse: number | null;
}

interface Answered {
  about: string;
  probabilities: (number | null)[];
  known_score: number | null;
}

interface Verdict extends Answered {
  has_coarse: boolean;
  limits: Limits;
  verdict: string;
  index: number;
  probability: number;
  coarse_index: number | null;
  coarse_probability: number | null;
}

interface Photo {
  width: number;
  height: number;
  rgb: string;
}

interface Vectors {
  documents: { valid: Record<string, unknown>; refused: Change[]; not_json: string[] };
  languages: { there: string[]; wanted: string; chosen: string | null }[];
  names: { valid: Record<string, string>; refused: string[] };
  verdicts: { cases: Verdict[]; refused: Answered[]; hierarchy: unknown; tolerance: number };
  preprocess: {
    pixels: {
      photo: Photo;
      input_px: number;
      resize_px: number;
      resampler: "bilinear" | "bicubic" | "lanczos";
      expected: string;
    }[];
    tolerance_levels: number;
  };
}

const vectors = readVectors<Vectors>();
const parsers = {
  manifest: parseManifest,
  "manifest without names": parseManifest,
  release: parseRelease,
};
const toBytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function spoil(whole: unknown, { path, ...change }: Change): unknown {
  const spoilt = structuredClone(whole);
  const keys = [...path];
  const last = keys.pop() ?? "";
  const holder = keys.reduce<Holder>((held, key) => held[key] as Holder, spoilt as Holder);
  if ("value" in change) holder[last] = change.value;
  else delete holder[last];
  return spoilt;
}

test("whole documents are read", () => {
  const { valid } = vectors.documents;
  const manifest = parseManifest(toBytes(valid["manifest"]));
  assert.equal(manifest.model, "produce");
  assert.deepEqual(listLanguages(manifest), ["zh-Hans"]);
  assert.deepEqual(listLanguages(parseManifest(toBytes(valid["manifest without names"]))), []);
  assert.ok(parseRelease(toBytes(valid["release"])).versions.length > 1);
});

test("every malformed document of the contract is refused", () => {
  const { valid, refused } = vectors.documents;
  assert.ok(refused.length > 250);
  for (const change of refused) {
    const spoilt = toBytes(spoil(valid[change.document], change));
    const about = JSON.stringify(change);
    assert.throws(() => parsers[change.document](spoilt), ManifestError, about);
  }
});

test("what is no JSON is refused", () => {
  assert.ok(vectors.documents.not_json.length > 15);
  for (const text of vectors.documents.not_json) {
    const data = new TextEncoder().encode(text);
    assert.throws(() => readJson(data, "text", 1 << 20), ManifestError, text);
  }
  assert.throws(() => parseManifest(new Uint8Array([0x22, 0xff, 0x22])), ManifestError);
});

test("the language that fits best is chosen", () => {
  assert.ok(vectors.languages.length > 30);
  for (const { there, wanted, chosen } of vectors.languages) {
    assert.equal(chooseLanguage(there, wanted), chosen, `${wanted} of ${there.join(", ")}`);
  }
});

test("names are read, and malformed ones refused", () => {
  const { valid, refused } = vectors.names;
  assert.deepEqual(Object.fromEntries(parseNames(toBytes(valid), "names/zh-Hans.json")), valid);
  for (const text of refused) {
    const data = new TextEncoder().encode(text);
    assert.throws(() => parseNames(data, "names/zh-Hans.json"), ManifestError, text);
  }
});

test("colons, quotation marks and backslashes in texts are no keys", () => {
  const value = {
    'a:"\\': ":",
    "\\": '":"',
    b: [{ a: "\\\\:" }, { a: { a: 1 } }],
    ["__proto__"]: 1,
  };
  assert.deepEqual(
    readJson(toBytes(value), "text", 1 << 20).value,
    JSON.parse(JSON.stringify(value)),
  );
});

test("keys that objects inherit are missing where a document does not have them", () => {
  const node = new JsonNode({}, "", "text");
  for (const key of ["constructor", "__proto__", "toString"]) assert.equal(node.find(key), null);
});

test("verdicts", () => {
  const { cases, hierarchy, tolerance } = vectors.verdicts;
  const coarse = readHierarchy(new JsonNode(hierarchy, "", "vectors"));
  for (const { about, probabilities, known_score: knownScore, ...expected } of cases) {
    const labels = probabilities.map((_, index) => `label ${index}`);
    const manifest = { labels, hierarchy: expected.has_coarse ? coarse : null };
    const artifact = { path: "artifact", confidence: toConfidence(expected.limits) };
    const given = probabilities.map(Number);
    const found = judge(manifest, artifact, given, Number(knownScore));
    const [first] = found.answers;
    assert.equal(found.verdict, expected.verdict, about);
    assert.equal(first?.label, labels[expected.index], about);
    assertClose(first?.probability, expected.probability, tolerance, about);
    const name = expected.coarse_index === null ? undefined : coarse.coarse[expected.coarse_index];
    assert.equal(found.coarse?.label, name, about);
    assertClose(found.coarse?.probability, expected.coarse_probability, tolerance, about);
  }
});

test("answers that are none are refused", () => {
  const limits = { temperature: 1, score: "known_score", min_score: 0, sure: null, coarse: null };
  const artifact = { path: "artifact", confidence: toConfidence(limits as Limits) };
  for (const { about, probabilities, known_score: knownScore } of vectors.verdicts.refused) {
    const given = probabilities.map((value) => value ?? NaN);
    const manifest = { labels: ["a", "b", "c", "d", "e"], hierarchy: null };
    const ask = (): unknown => judge(manifest, artifact, given, knownScore ?? NaN);
    assert.throws(ask, ManifestError, about);
  }
});

test("pixels", () => {
  const { pixels, tolerance_levels: tolerance } = vectors.preprocess;
  for (const { photo, expected, resampler, ...size } of pixels) {
    const { width, height } = photo;
    const data = new Uint8Array(Buffer.from(photo.rgb, "base64"));
    const by = { inputPx: size.input_px, resizePx: size.resize_px, resampler, steps: [] };
    const found = preprocess({ width, height, data }, by);
    const wanted = Buffer.from(expected, "base64");
    assert.equal(found.length, wanted.length);
    const worst = Math.max(...found.map((level, at) => Math.abs(level - (wanted[at] ?? NaN))));
    assert.ok(worst <= tolerance, `${resampler} differs by ${worst} levels`);
  }
});

test("the middle of the whole resized photo is what is cropped", () => {
  for (const { photo, resampler, ...size } of vectors.preprocess.pixels) {
    const { width, height } = photo;
    const data = new Uint8Array(Buffer.from(photo.rgb, "base64"));
    const by = { inputPx: size.input_px, resizePx: size.resize_px, resampler, steps: [] };
    const whole = resize({ width, height, data }, by);
    assert.equal(Math.min(whole.width, whole.height), by.resizePx);
    const [left, top] = [whole.width, whole.height].map((n) => Math.floor((n - by.inputPx) / 2));
    const rows = Array.from({ length: by.inputPx }, (_, y) => {
      const start = 3 * (((top ?? 0) + y) * whole.width + (left ?? 0));
      return [...whole.data.subarray(start, start + 3 * by.inputPx)];
    });
    assert.deepEqual(rows.flat(), [...preprocess({ width, height, data }, by)]);
  }
});

test("the part that is needed, given in strips, makes the same pixels, photo after photo", () => {
  for (const { photo, resampler, ...size } of vectors.preprocess.pixels) {
    const { width, height } = photo;
    const data = new Uint8Array(Buffer.from(photo.rgb, "base64"));
    const by = { inputPx: size.input_px, resizePx: size.resize_px, resampler, steps: [] };
    const wanted = [...preprocess({ width, height, data }, by)];
    const preparation = new Preparation(width, height, by);
    const { left, top, width: columns, height: rows } = preparation.area;
    for (const rowsAtATime of [1, 7, rows]) {
      for (let done = 0; done < rows; done += rowsAtATime) {
        const strip = cut({ width, height, data }, left, top + done, columns, Math.min(rowsAtATime, rows - done));
        preparation.add(strip, left, top + done);
      }
      assert.deepEqual([...preparation.finish()], wanted);
    }
  }
});

test("strips that are missing, too narrow or of another size are refused", () => {
  const by = { inputPx: 32, resizePx: 36, resampler: "bilinear", steps: [] } as const;
  const preparation = new Preparation(80, 60, by);
  const { left, top, width, height } = preparation.area;
  const data = new Uint8Array(width * height * 3);
  assert.throws(() => preparation.finish(), ConfigError);
  assert.throws(() => preparation.add({ width, height, data }, left + 1, top), ConfigError);
  assert.throws(() => preparation.add({ width: width + 1, height, data }, left, top), ConfigError);
  assert.throws(() => new Preparation(0, 60, by), ConfigError);
  preparation.add({ width, height, data }, left, top);
  assert.equal(preparation.finish().length, 32 * 32 * 3);
});

/** Cuts a part out of RGB pixels, and makes them RGBA as a canvas does. */
function cut({ width, data }: Pixels, left: number, top: number, columns: number, rows: number): Pixels {
  const out = new Uint8ClampedArray(columns * rows * 4).fill(255);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const from = 3 * ((top + y) * width + left + x);
      out.set(data.subarray(from, from + 3), 4 * (y * columns + x));
    }
  }
  return { width: columns, height: rows, data: out };
}

function toConfidence({
  temperature,
  score,
  min_score: minScore,
  sure,
  coarse,
}: Limits): Confidence {
  return {
    fittedOn: "artifact",
    temperature,
    sure: { minProbability: sure },
    coarse: { minProbability: coarse },
    known: { score, minScore },
  };
}

function assertClose(
  found: number | undefined,
  expected: number | null,
  tolerance: number,
  about: string,
): void {
  if (found === undefined || expected === null) assert.equal(found ?? null, expected, about);
  else assert.ok(Math.abs(found - expected) <= tolerance, `${about}: ${found}, not ${expected}`);
}
