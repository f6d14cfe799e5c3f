/** The manifest of a version: what an app needs of it. */

import { type JsonNode, checkSchema, readJson } from "./reading.js";
import { readVersion } from "./release.js";
import { PLATFORMS, type Platform, RUNTIMES, type Runtime, rankOf } from "./variants.js";

const SCHEMA = "ghostlens.bundle/3";
export const MANIFEST_NAME = "manifest.json";
export const MAX_MANIFEST_BYTES = 16 << 20;
/** Far above any model for phones, and below what a phone's storage would choke on. */
const MAX_FILE_BYTES = 1 << 30;
const MAX_FILES = 1000;
const MAX_LABELS = 100_000;
const MAX_ARTIFACTS = 50;
const MAX_OUTPUTS = 2;
/** No address, shell or file system treats these specially; no hidden files. */
const FILE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,148}[A-Za-z0-9_-])?$/;
const FOLDERS: Readonly<Record<string, string>> = {
  golden: "golden/",
  report: "reports/",
  licence: "licences/",
  "cloud-golden": "cloud/golden/",
  "cloud-report": "cloud/reports/",
  "cloud-licence": "cloud/licences/",
};
const PULLED_ROLES = ["labels", "golden", "licence"];

/** A file of a version. */
export interface File {
  /** With forward slashes; a role's folder and one plain name. */
  readonly path: string;
  readonly role: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** A model file for one runtime. */
export interface Artifact extends File {
  readonly runtime: Runtime;
  readonly precision: string;
  /** ExecuTorch's delegate; empty for other runtimes. */
  readonly backend: string;
  readonly platforms: readonly Platform[];
  /** Version of ExecuTorch that made it; empty where it does not bind. */
  readonly madeWith: string;
  /** Name, layout, dtype, shape and range of what it takes, as the manifest says. */
  readonly input: unknown;
  /** Name, dtype and shape of "probabilities" and "known_score", in the file's order. */
  readonly outputs: readonly unknown[];
  /** Temperature and thresholds for its answers, as the manifest says; null without. */
  readonly confidence: unknown;
}

/** A photo with the answers expected of each artifact: path -> probability of every label. */
export interface Golden {
  readonly file: string;
  readonly label: string;
  readonly answers: ReadonlyMap<string, readonly number[]>;
}

/** From a decoded photo to the input's pixels: see `steps`, which says it in words. */
export interface Preprocess {
  readonly inputPx: number;
  readonly resizePx: number;
  readonly resampler: "bilinear" | "bicubic" | "lanczos";
  readonly steps: readonly string[];
}

/** Everything about a version that an app needs. */
export interface Manifest {
  readonly model: string;
  readonly version: string;
  readonly architecture: string;
  readonly labels: readonly string[];
  readonly preprocess: Preprocess;
  /** The coarse class of each label, as the manifest says; null where there are none. */
  readonly hierarchy: unknown;
  readonly artifacts: readonly Artifact[];
  readonly golden: readonly Golden[];
  readonly otherFiles: readonly File[];
}

/**
 * Reads a manifest.
 *
 * @throws ManifestError malformed, or of a newer schema; the message names the bad key.
 */
export function parseManifest(data: Uint8Array): Manifest {
  const root = readJson(data, "manifest", MAX_MANIFEST_BYTES);
  checkSchema(root, SCHEMA);
  return {
    model: root.get("model").modelName(),
    version: readVersion(root.get("version")),
    architecture: root.get("architecture").text(),
    labels: root
      .get("labels")
      .items(MAX_LABELS)
      .map((node) => node.text()),
    preprocess: readPreprocess(root.get("preprocess")),
    hierarchy: root.find("hierarchy")?.value ?? null,
    artifacts: root.get("artifacts").items(MAX_ARTIFACTS).map(readArtifact),
    golden: root.get("golden").items(MAX_FILES).map(readGolden),
    otherFiles: root.get("other_files").items(MAX_FILES).map(readFile),
  };
}

/** Returns what a device needs beside its artifact: no reports, nothing of the cloud. */
export function chooseOtherFiles(manifest: Manifest): File[] {
  return manifest.otherFiles.filter((file) => PULLED_ROLES.includes(file.role));
}

function readArtifact(node: JsonNode): Artifact {
  const path = readPath(node.get("path"), "artifacts/");
  const artifact = {
    ...readFigures(node),
    path,
    role: "artifact",
    runtime: node.get("runtime").oneOf(RUNTIMES),
    precision: node.get("precision").text(),
    backend: node.get("backend").text(),
    platforms: node
      .get("platforms")
      .items(PLATFORMS.length)
      .map((item) => item.oneOf(PLATFORMS)),
    madeWith: node.get("tool_versions").find("executorch")?.text() ?? "",
    input: node.get("input").value,
    outputs: node
      .get("outputs")
      .items(MAX_OUTPUTS)
      .map((item) => item.value),
    confidence: node.find("confidence")?.value ?? null,
  };
  if (rankOf(artifact) < 0) node.fail("no such runtime, precision and backend together");
  return artifact;
}

function readGolden(node: JsonNode): Golden {
  const answers = new Map<string, number[]>();
  for (const [path, given] of node.get("answers").members()) {
    answers.set(
      path,
      given.items(MAX_LABELS).map((item) => item.number(0, 1)),
    );
  }
  return {
    file: readPath(node.get("file"), "golden/"),
    label: node.get("label").text(),
    answers,
  };
}

function readFile(node: JsonNode): File {
  const role = node.get("role").text();
  const path = node.get("path");
  const folder = Object.hasOwn(FOLDERS, role) ? FOLDERS[role] : undefined;
  if (role === "labels" && path.text() === "labels.txt") {
    return { ...readFigures(node), path: path.text(), role };
  }
  if (folder === undefined) return node.get("role").fail(`${role} is not allowed with that path`);
  return { ...readFigures(node), path: readPath(path, folder), role };
}

function readFigures(node: JsonNode): { sha256: string; sizeBytes: number } {
  const sizeBytes = node.get("size_bytes").whole(0, MAX_FILE_BYTES);
  return { sha256: node.get("sha256").sha256(), sizeBytes };
}

/** A folder and one plain name, so that no path climbs out or is absolute. */
function readPath(node: JsonNode, folder: string): string {
  const path = node.text();
  if (!path.startsWith(folder) || !FILE_NAME.test(path.slice(folder.length))) {
    node.fail(`it is ${JSON.stringify(path)}: allowed are ${folder}NAME with A-Z, a-z, 0-9, . _ -`);
  }
  return path;
}

function readPreprocess(node: JsonNode): Preprocess {
  return {
    inputPx: node.get("input_px").whole(32, 1024),
    resizePx: node.get("resize_px").whole(32, 2048),
    resampler: node.get("resampler").oneOf(["bilinear", "bicubic", "lanczos"]),
    steps: node
      .get("steps")
      .items(100)
      .map((step) => step.text()),
  };
}
