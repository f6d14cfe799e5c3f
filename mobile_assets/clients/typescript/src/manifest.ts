/** The manifest of a version: what an app needs of it. */

import {
  FOLDERS,
  LABELS_NAME,
  Lists,
  MANIFEST_SCHEMA,
  MAX_LABEL_CHARS,
  MAX_MANIFEST_BYTES,
  NAMES_SCHEMA,
  Patterns,
} from "./contract.js";
import * as documents from "./documents.js";
import type { File, Golden, Hierarchy } from "./documents.js";
import { type JsonNode, checkSchema, readJson } from "./reading.js";
import { isPlain } from "./texts.js";
import { rankOf } from "./variants.js";

export type { Confidence, File, Golden, Hierarchy, Preprocess } from "./documents.js";

/** A model file for one runtime. */
export interface Artifact extends documents.Artifact {
  readonly role: "artifact";
  /** Version of ExecuTorch that made it; empty where it does not bind. */
  readonly madeWith: string;
}

/** Everything about a version that an app needs. */
export interface Manifest extends documents.Manifest {
  readonly artifacts: readonly Artifact[];
}

/**
 * Reads a manifest.
 *
 * @throws ManifestError malformed, contradicting itself, or of a newer schema; the message names
 *     the bad key.
 */
export function parseManifest(data: Uint8Array): Manifest {
  const root = readJson(data, "manifest", MAX_MANIFEST_BYTES);
  checkSchema(root, MANIFEST_SCHEMA, NAMES_SCHEMA);
  const manifest = documents.readManifest(root);
  checkHasNames(root, manifest);
  checkLabels(root, manifest.labels);
  checkPreprocess(root, manifest);
  if (manifest.hierarchy !== null) checkHierarchy(root, manifest.hierarchy, manifest.labels.length);
  checkPaths(root, manifest);
  for (const artifact of manifest.artifacts) checkArtifact(root, artifact, manifest.hierarchy);
  for (const golden of manifest.golden) checkGolden(root, golden, manifest);
  const artifacts = manifest.artifacts.map((artifact): Artifact => {
    return {
      ...artifact,
      role: "artifact",
      madeWith: artifact.toolVersions.get("executorch") ?? "",
    };
  });
  return { ...manifest, artifacts };
}

/** Returns what a device needs beside its artifact: no reports, nothing of the cloud. */
export function chooseOtherFiles(manifest: documents.Manifest): File[] {
  const pulled: readonly string[] = Lists.pulledRoles;
  return manifest.otherFiles.filter((file) => pulled.includes(file.role));
}

/** A manifest with names has a schema of its own, as readers of the one before refuse the role. */
function checkHasNames(root: JsonNode, { otherFiles }: documents.Manifest): void {
  const schema = otherFiles.some(({ role }) => role === "names") ? NAMES_SCHEMA : MANIFEST_SCHEMA;
  if (root.get("schema").value === schema) return;
  root.fail(`schema: ${NAMES_SCHEMA} is for manifests with names, and only for them`);
}

function checkLabels(root: JsonNode, labels: readonly string[]): void {
  for (const label of labels) {
    const isFit = isPlain(label) && Array.from(label).length <= MAX_LABEL_CHARS;
    if (!isFit) root.fail(`the label ${JSON.stringify(label)}: not allowed`);
  }
  const normal = new Set(labels.map((label) => label.normalize("NFC")));
  if (normal.size !== labels.length) root.fail("labels repeat");
}

function checkPreprocess(root: JsonNode, { preprocess }: documents.Manifest): void {
  const { inputPx, resizePx } = preprocess;
  if (resizePx >= inputPx && resizePx <= 2 * inputPx) return;
  root.fail(`preprocess.resize_px is ${resizePx}: allowed are ${inputPx} to ${2 * inputPx}`);
}

function checkHierarchy(root: JsonNode, hierarchy: Hierarchy, labels: number): void {
  const { coarse, parents } = hierarchy;
  checkLabels(root, coarse);
  if (parents.length !== labels) root.fail(`hierarchy.parents: one for each of ${labels} labels`);
  const used = new Set(parents);
  if (used.size !== coarse.length || parents.some((parent) => parent >= coarse.length)) {
    root.fail("hierarchy.parents: each coarse class needs a label, and each label one of them");
  }
}

/** A role's folder and one plain name, so that no path climbs out or is absolute. */
function checkPath(root: JsonNode, path: string, role: File["role"]): void {
  const folder = FOLDERS[role];
  const pattern = role === "names" ? Patterns.namesFile : Patterns.fileName;
  const isFit =
    role === "labels"
      ? path === LABELS_NAME
      : path.startsWith(folder) && pattern.match(path.slice(folder.length)) !== null;
  if (isFit) return;
  const name = folder === "" ? LABELS_NAME : `${folder}NAME with ${pattern.allowed}`;
  root.fail(`the path ${JSON.stringify(path)}: allowed are ${name}`);
}

function checkPaths(root: JsonNode, manifest: documents.Manifest): void {
  const { artifacts, golden, otherFiles, hasCloud } = manifest;
  for (const { path } of artifacts) checkPath(root, path, "artifact");
  for (const { file } of golden) checkPath(root, file, "golden");
  for (const { path, role } of otherFiles) {
    checkPath(root, path, role);
    const isArtifact = role === "artifact" || role === "cloud-artifact";
    if (isArtifact || (role.startsWith("cloud-") && !hasCloud)) {
      root.fail(`other_files: ${path} has the role ${role}`);
    }
  }
  // Phones have file systems that do not tell A from a.
  const paths = [...artifacts, ...otherFiles].map(({ path }) => path.toLowerCase());
  if (new Set(paths).size !== paths.length) root.fail("a path stands for two files");
  if (!otherFiles.some(({ role }) => role === "labels")) {
    root.fail(`other_files has no ${LABELS_NAME}`);
  }
  const given = otherFiles.filter(({ role }) => role === "golden").map(({ path }) => path);
  const shown = new Set(golden.map(({ file }) => file));
  if (shown.size !== given.length || given.some((path) => !shown.has(path))) {
    root.fail("golden photos must stand both in golden and in other_files");
  }
}

function checkArtifact(
  root: JsonNode,
  artifact: documents.Artifact,
  hierarchy: Hierarchy | null,
): void {
  const fail = (why: string): never => root.fail(`artifacts: ${artifact.path} ${why}`);
  const { input, outputs, acceptedByHand, objections, hasParity, confidence } = artifact;
  if (rankOf(artifact) < 0) fail("is of no such kind");
  const names = outputs.map((output) => (isObject(output) ? output["name"] : null));
  if (Lists.outputs.some((name, index) => names[index] !== name)) {
    fail(`must give ${Lists.outputs.join(", ")}`);
  }
  if (!isObject(input)) fail("must say what it takes");
  if (acceptedByHand !== objections.length > 0) {
    fail("was accepted by hand without objections, or the reverse");
  }
  if (!hasParity && !acceptedByHand) fail("has no parity figures, and nobody accepted it by hand");
  if (hasParity !== (confidence !== null)) {
    fail("has parity figures without a confidence, or the reverse");
  }
  if (confidence !== null && (confidence.coarse === null) !== (hierarchy === null)) {
    fail("has a threshold for coarse classes where there are none, or the reverse");
  }
}

function checkGolden(root: JsonNode, golden: Golden, manifest: documents.Manifest): void {
  const fail = (why: string): never => root.fail(`golden: ${golden.file} ${why}`);
  const { labels, artifacts } = manifest;
  if (!labels.includes(golden.label)) fail("has a label that is not among the labels");
  for (const [path, answers] of golden.answers) {
    if (!artifacts.some((artifact) => artifact.path === path)) {
      fail(`has answers of ${path}, which is not among the artifacts`);
    }
    if (answers.length !== labels.length) fail(`has ${answers.length} answers of ${path}`);
    if (!golden.knownScores.has(path)) fail(`has answers of ${path} without a known score`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
