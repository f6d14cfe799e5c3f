/** The self-test of a device: do the golden photos get the answers that were expected? */

import { MAX_PROBABILITY_DIFFERENCE } from "./contract.js";
import { GhostlensError, UntestedError } from "./errors.js";
import type { Artifact, Golden, Manifest } from "./manifest.js";

/** A model file, ready to be loaded by the app's runtime. */
export interface LoadedArtifact extends Artifact {
  readonly bytes: Uint8Array;
}

/**
 * Answers a photo by a model file, as the app does it: decode, turn, resize, crop, run.
 *
 * The photo's raw JPEG bytes go in, so that all of this is tested. The artifact is the same object
 * for all photos of a test, so that an app can keep what it loaded. Where the app cannot run any
 * model now, as without its runtime, it throws an `UntestedError`: no version is refused for that.
 *
 * @returns the probability of every label, in the order of the manifest's labels.
 */
export type Answer = (
  photo: Uint8Array,
  artifact: LoadedArtifact,
  manifest: Manifest,
) => ArrayLike<number> | Promise<ArrayLike<number>>;

/** How one golden photo was answered. */
export interface PhotoResult {
  readonly file: string;
  /** Its true label. */
  readonly label: string;
  /** The labels expected and answered first. */
  readonly expected: string;
  readonly answered: string;
  /** The largest over the labels; infinite where an answer is no number. */
  readonly probabilityDifference: number;
}

/** How an artifact did on the golden photos. */
export interface SelfTestReport {
  readonly artifact: string;
  /** False where the bundle expects no answers of this artifact. */
  readonly executed: boolean;
  readonly passed: boolean;
  /** Why it could not be run to the end; empty where it was. */
  readonly failure: string;
  readonly photos: readonly PhotoResult[];
  readonly maxProbabilityDifference: number;
  readonly durationMs: number;
}

/**
 * Asks an artifact for the golden photos.
 *
 * @param read returns the bytes of a file of the version.
 * @throws UntestedError the app could not run it for a reason that is not the artifact's.
 */
export async function runSelfTest(
  manifest: Manifest,
  artifact: LoadedArtifact,
  read: (path: string) => Promise<Uint8Array>,
  answer: Answer,
  now: () => number = Date.now,
): Promise<SelfTestReport> {
  const startMs = now();
  const photos: PhotoResult[] = [];
  const expected = manifest.golden.filter((golden) => golden.answers.has(artifact.path));
  let failure = "";
  for (const golden of expected) {
    const photo = await read(golden.file);
    try {
      const given = await answer(photo, artifact, manifest);
      photos.push(compare(manifest, artifact.path, golden, given));
    } catch (error) {
      if (error instanceof UntestedError) throw error;
      // Whatever else the app's code or its runtime throws is a failed test, not the end of the app.
      failure = `${golden.file}: ${error instanceof Error ? error.message : String(error)}`;
      break;
    }
  }
  const differences = photos.map((photo) => photo.probabilityDifference);
  const maxProbabilityDifference = Math.max(0, ...differences);
  return {
    artifact: artifact.path,
    executed: expected.length > 0,
    passed: failure === "" && maxProbabilityDifference <= MAX_PROBABILITY_DIFFERENCE,
    failure,
    photos,
    maxProbabilityDifference,
    durationMs: Math.max(0, Math.round(now() - startMs)),
  };
}

/** Returns one line for a person. */
export function describeSelfTest(report: SelfTestReport): string {
  if (!report.executed) return `${report.artifact}: the bundle expects no answers of it`;
  const wrong = report.photos
    .filter((photo) => !(photo.probabilityDifference <= MAX_PROBABILITY_DIFFERENCE))
    .map(
      ({ file, answered, expected, probabilityDifference }) =>
        `${file} is ${answered}, expected ${expected}; a probability differs by ` +
        `${probabilityDifference.toPrecision(3)}, allowed is ${MAX_PROBABILITY_DIFFERENCE}`,
    );
  const reasons = report.failure === "" ? wrong : [report.failure, ...wrong];
  if (reasons.length > 0) return `${report.artifact}: FAILED: ${reasons.join("; ")}`;
  return `${report.artifact}: ${report.photos.length} golden photos answered as expected`;
}

function compare(
  manifest: Manifest,
  artifact: string,
  golden: Golden,
  given: ArrayLike<number>,
): PhotoResult {
  const wanted = golden.answers.get(artifact) ?? [];
  if (given.length !== wanted.length) {
    throw new GhostlensError(`${given.length} answers for ${wanted.length} labels`);
  }
  const answers = Array.from(given, Number);
  const difference = Math.max(
    ...wanted.map((value, index) => Math.abs(value - (answers[index] ?? NaN))),
  );
  return {
    file: golden.file,
    label: golden.label,
    expected: manifest.labels[indexOfLargest(wanted)] ?? "",
    answered: manifest.labels[indexOfLargest(answers)] ?? "",
    probabilityDifference: Number.isFinite(difference) ? difference : Infinity,
  };
}

function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? -1) ? index : best), 0);
}
