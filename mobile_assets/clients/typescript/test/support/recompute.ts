/**
 * Computes what the Python tests compare with their own figures.
 *
 *     node recompute.js CASES.json
 *
 * The file holds `photos` (width, height, base64 of the samples, preprocess) and `answers`
 * (manifest, artifact, probabilities, known_score); the same lists with results are printed.
 */

import { readFileSync } from "node:fs";
import { judge } from "../../src/judge.js";
import { type Confidence, readHierarchy } from "../../src/documents.js";
import type { Preprocess } from "../../src/manifest.js";
import { preprocess } from "../../src/preprocess.js";
import { JsonNode } from "../../src/reading.js";

interface Cases {
  photos: {
    width: number;
    height: number;
    samples: string;
    input_px: number;
    resize_px: number;
    resampler: Preprocess["resampler"];
  }[];
  answers: {
    labels: string[];
    hierarchy: unknown;
    confidence: {
      temperature: number;
      sure: { min_probability: number | null };
      coarse: { min_probability: number | null } | null;
      known: { score: Confidence["known"]["score"]; min_score: number | null };
    };
    probabilities: number[];
    known_score: number;
  }[];
}

const { photos, answers } = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Cases;
const pixels = photos.map((photo) => {
  const { width, height, input_px: inputPx, resize_px: resizePx, resampler } = photo;
  const data = Buffer.from(photo.samples, "base64");
  const by = { inputPx, resizePx, resampler, steps: [] };
  return Buffer.from(preprocess({ width, height, data }, by)).toString("base64");
});
const judged = answers.map(({ labels, hierarchy, confidence, probabilities, known_score }) => {
  const manifest = { labels, hierarchy: new JsonNode(hierarchy, "", "case").orNull(readHierarchy) };
  const { temperature, sure, coarse, known } = confidence;
  const limits: Confidence = {
    fittedOn: "artifact",
    temperature,
    sure: { minProbability: sure.min_probability },
    coarse: coarse && { minProbability: coarse.min_probability },
    known: { score: known.score, minScore: known.min_score },
  };
  const artifact = { path: "artifact", confidence: limits };
  return judge(manifest, artifact, probabilities, known_score);
});
console.log(JSON.stringify({ photos: pixels, answers: judged }));
