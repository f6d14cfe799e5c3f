/** What an answer is worth: sure, only coarse, unsure, or not a known thing. */

import { GEN_GAMMA, GEN_TOP, type Verdict } from "./contract.js";
import type { Confidence, Hierarchy } from "./documents.js";
import { ManifestError } from "./errors.js";
import type { Artifact, Manifest } from "./manifest.js";

export type { Verdict } from "./contract.js";

/** A name and its probability, 0 to 1. */
export interface Named {
  readonly label: string;
  readonly probability: number;
}

/** What a model says of a photo. */
export interface Recognition {
  readonly verdict: Verdict;
  /** All labels, the likeliest first; calibrated where the artifact has a confidence. */
  readonly answers: readonly Named[];
  /** The likeliest coarse class, with its labels to choose from; null where there are none. */
  readonly coarse: (Named & { readonly choices: readonly Named[] }) | null;
}

/**
 * Judges what an artifact answers, by the temperature and the thresholds in the manifest.
 *
 * @param probabilities of every label, as the artifact gives them.
 * @param knownScore its second output: how much the photo looks like those of known things.
 * @throws ManifestError the answers do not fit the manifest, or are no numbers.
 */
export function judge(
  manifest: Pick<Manifest, "labels" | "hierarchy">,
  artifact: Pick<Artifact, "path" | "confidence">,
  probabilities: ArrayLike<number>,
  knownScore: number,
): Recognition {
  const given = Array.from(probabilities, Number);
  const { labels, hierarchy } = manifest;
  const isUsable =
    given.every((value) => value >= 0 && value <= 1 + 1e-3) && Math.max(...given) > 0;
  if (given.length !== labels.length || !isUsable) {
    throw new ManifestError(`${artifact.path} gives no probabilities of ${labels.length} labels`);
  }
  const limits = artifact.confidence;
  if (limits === null) return { verdict: "unsure", answers: rank(labels, given), coarse: null };
  const calibrated = calibrate(given, limits.temperature);
  const sums = hierarchy && sumCoarse(hierarchy, calibrated);
  const verdict = decideVerdict(limits, calibrated, sums, knownScore);
  const coarse = hierarchy && sums && describeCoarse(labels, hierarchy, calibrated, sums);
  return { verdict, answers: rank(labels, calibrated), coarse };
}

/** What is no known thing has no name, however sure; then the label, then the coarse class. */
function decideVerdict(
  limits: Confidence,
  calibrated: readonly number[],
  sums: readonly number[] | null,
  knownScore: number,
): Verdict {
  const { known, sure, coarse } = limits;
  if (known.minScore !== null) {
    const score = scoreKnown(known.score, calibrated, knownScore);
    if (!Number.isFinite(score)) throw new ManifestError("the known score is no number");
    if (score < known.minScore) return "unknown";
  }
  const least = [sure.minProbability, coarse?.minProbability ?? null] as const;
  if (least[0] !== null && Math.max(...calibrated) >= least[0]) return "sure";
  if (sums && least[1] !== null && Math.max(...sums) >= least[1]) return "coarse";
  return "unsure";
}

/** Returns p ** (1 / temperature), divided by the sum. */
function calibrate(given: readonly number[], temperature: number): number[] {
  const best = Math.max(...given);
  const powers = given.map((value) => (value / best) ** (1 / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function scoreKnown(
  score: Confidence["known"]["score"],
  calibrated: readonly number[],
  knownScore: number,
): number {
  if (score === "known_score") return knownScore;
  if (score === "max_probability") return Math.max(...calibrated);
  const best = [...calibrated].sort((a, b) => b - a).slice(0, GEN_TOP);
  return -best.reduce((sum, p) => sum + (p * (1 - p)) ** GEN_GAMMA, 0);
}

function sumCoarse(hierarchy: Hierarchy, calibrated: readonly number[]): number[] {
  const sums = new Array<number>(hierarchy.coarse.length).fill(0);
  hierarchy.parents.forEach((parent, label) => {
    sums[parent] = (sums[parent] ?? 0) + (calibrated[label] ?? 0);
  });
  return sums.map((sum) => Math.min(1, sum));
}

function describeCoarse(
  labels: readonly string[],
  hierarchy: Hierarchy,
  calibrated: readonly number[],
  sums: readonly number[],
): Recognition["coarse"] {
  const best = sums.indexOf(Math.max(...sums));
  const choices = rank(labels, calibrated).filter(
    ({ label }) => hierarchy.parents[labels.indexOf(label)] === best,
  );
  return { label: hierarchy.coarse[best] ?? "", probability: sums[best] ?? 0, choices };
}

/** Stable, so that equal probabilities come in label order everywhere. */
function rank(labels: readonly string[], probabilities: readonly number[]): Named[] {
  return labels
    .map((label, index) => ({ label, probability: probabilities[index] ?? 0 }))
    .sort((a, b) => b.probability - a.probability);
}
