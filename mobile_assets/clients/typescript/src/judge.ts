/** What an answer is worth: sure, only coarse, unsure, or not a known thing. */

import { ManifestError } from "./errors.js";
import type { Artifact, Manifest } from "./manifest.js";
import { JsonNode } from "./reading.js";

/** GEN's exponent and number of classes (Liu, Lochman and Zach, CVPR 2023). */
const GEN_GAMMA = 0.1;
const GEN_TOP = 100;
const MAX_LABELS = 100_000;
const LEAST_SCORE = -1e12;
const SCORES = ["known_score", "max_probability", "gen"] as const;

/** Whether the label stands, only the coarse class does, somebody should look, or none fits. */
export type Verdict = "sure" | "coarse" | "unsure" | "unknown";

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

interface Limits {
  readonly temperature: number;
  readonly sure: number | null;
  readonly coarse: number | null;
  readonly score: (typeof SCORES)[number];
  readonly minScore: number | null;
}

interface Hierarchy {
  readonly names: readonly string[];
  readonly parents: readonly number[];
}

/**
 * Judges what an artifact answers, by the temperature and the thresholds in the manifest.
 *
 * @param probabilities of every label, as the artifact gives them.
 * @param knownScore its second output: how much the photo looks like those of known things.
 * @throws ManifestError the answers do not fit the manifest, or are no numbers.
 */
export function judge(
  manifest: Manifest,
  artifact: Pick<Artifact, "path" | "confidence">,
  probabilities: ArrayLike<number>,
  knownScore: number,
): Recognition {
  const given = Array.from(probabilities, Number);
  const { labels } = manifest;
  const isUsable =
    given.every((value) => value >= 0 && value <= 1 + 1e-3) && Math.max(...given) > 0;
  if (given.length !== labels.length || !isUsable) {
    throw new ManifestError(`${artifact.path} gives no probabilities of ${labels.length} labels`);
  }
  const limits = readLimits(artifact);
  if (limits === null) return { verdict: "unsure", answers: rank(labels, given), coarse: null };
  const calibrated = calibrate(given, limits.temperature);
  const hierarchy = readHierarchy(manifest);
  const sums = hierarchy && sumCoarse(hierarchy, calibrated);
  const verdict = decideVerdict(limits, calibrated, sums, knownScore);
  const coarse = hierarchy && sums && describeCoarse(labels, hierarchy, calibrated, sums);
  return { verdict, answers: rank(labels, calibrated), coarse };
}

/** What is no known thing has no name, however sure; then the label, then the coarse class. */
function decideVerdict(
  limits: Limits,
  calibrated: readonly number[],
  sums: readonly number[] | null,
  knownScore: number,
): Verdict {
  if (limits.minScore !== null) {
    const score = scoreKnown(limits.score, calibrated, knownScore);
    if (!Number.isFinite(score)) throw new ManifestError("the known score is no number");
    if (score < limits.minScore) return "unknown";
  }
  if (limits.sure !== null && Math.max(...calibrated) >= limits.sure) return "sure";
  if (sums && limits.coarse !== null && Math.max(...sums) >= limits.coarse) return "coarse";
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
  score: Limits["score"],
  calibrated: readonly number[],
  knownScore: number,
): number {
  if (score === "known_score") return knownScore;
  if (score === "max_probability") return Math.max(...calibrated);
  const best = [...calibrated].sort((a, b) => b - a).slice(0, GEN_TOP);
  return -best.reduce((sum, p) => sum + (p * (1 - p)) ** GEN_GAMMA, 0);
}

function sumCoarse(hierarchy: Hierarchy, calibrated: readonly number[]): number[] {
  const sums = new Array<number>(hierarchy.names.length).fill(0);
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
  return { label: hierarchy.names[best] ?? "", probability: sums[best] ?? 0, choices };
}

/** Stable, so that equal probabilities come in label order everywhere. */
function rank(labels: readonly string[], probabilities: readonly number[]): Named[] {
  return labels
    .map((label, index) => ({ label, probability: probabilities[index] ?? 0 }))
    .sort((a, b) => b.probability - a.probability);
}

function readLimits(artifact: Pick<Artifact, "path" | "confidence">): Limits | null {
  if (artifact.confidence === null) return null;
  const node = new JsonNode(artifact.confidence, "confidence", artifact.path);
  const known = node.get("known");
  const least = (threshold: JsonNode | null): number | null =>
    threshold?.find("min_probability")?.number(0, 1) ?? null;
  return {
    temperature: node.get("temperature").number(1e-6, 1e6),
    sure: least(node.get("sure")),
    coarse: least(node.find("coarse")),
    score: known.get("score").oneOf(SCORES),
    minScore: known.find("min_score")?.number(LEAST_SCORE, 1) ?? null,
  };
}

function readHierarchy(manifest: Manifest): Hierarchy | null {
  if (manifest.hierarchy === null) return null;
  const node = new JsonNode(manifest.hierarchy, "hierarchy", "manifest");
  const names = node
    .get("coarse")
    .items(MAX_LABELS)
    .map((item) => item.text());
  const parents = node.get("parents").items(MAX_LABELS);
  if (parents.length !== manifest.labels.length) node.get("parents").fail("one for each label");
  return { names, parents: parents.map((item) => item.whole(0, names.length - 1)) };
}
