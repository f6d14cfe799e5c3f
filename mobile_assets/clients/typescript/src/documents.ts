// Generated from clients/contract.json by `python -m mobile_assets contract`: do not edit.

import { Lists, Patterns, type Word } from "./contract.js";
import { type JsonNode, ifThere, mapValues, readTime } from "./reading.js";
import { readRange } from "./versions.js";

/** One model file for one runtime. */
export interface Artifact {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** "executorch", "litert" or "coreml". */
  readonly runtime: Word<"runtimes">;
  /** As in "fp32". */
  readonly precision: Word<"precisions">;
  /** The delegate of an ExecuTorch program; empty for other runtimes. */
  readonly backend: Word<"backends">;
  /** Those it is for. */
  readonly platforms: readonly Word<"platforms">[];
  /** Name, layout, dtype, shape and range of what it takes. */
  readonly input: unknown;
  /** Name, dtype and shape of what it gives, in the file's order: probabilities, then the known score. */
  readonly outputs: readonly unknown[];
  /** What made it. */
  readonly toolVersions: ReadonlyMap<string, string>;
  readonly hasParity: boolean;
  /** Temperature and thresholds for its answers; null like the above. */
  readonly confidence: Confidence | null;
  /** A person named it on the command line although it was refused. */
  readonly acceptedByHand: boolean;
  /** Why it was refused, in words; empty unless accepted by hand. */
  readonly objections: readonly string[];
}

export function readArtifact(node: JsonNode): Artifact {
  node.checkKeys(["path", "sha256", "size_bytes", "runtime", "precision", "backend", "platforms", "input", "outputs", "tool_versions", "parity", "confidence", "accepted_by_hand", "objections", "requires"]);
  return {
    path: node.get("path").text(2000),
    sha256: node.get("sha256").matching(Patterns.sha256),
    sizeBytes: node.get("size_bytes").whole(0, 1073741824),
    runtime: node.get("runtime").oneOf(Lists.runtimes),
    precision: node.get("precision").oneOf(Lists.precisions),
    backend: node.get("backend").oneOf(Lists.backends),
    platforms: node.get("platforms").items(1, 4).map((item) => item.oneOf(Lists.platforms)),
    input: node.get("input").value,
    outputs: node.get("outputs").items(2, 2).map((item) => item.value),
    toolVersions: mapValues(node.get("tool_versions").entries(100000), (item) => item.text(2000)),
    hasParity: !node.get("parity").isNull,
    confidence: node.get("confidence").orNull((item) => readConfidence(item)),
    acceptedByHand: node.get("accepted_by_hand").flag(),
    objections: node.get("objections").items(0, 50).map((item) => item.text(2000)),
  };
}

/** What the devices that follow a channel run. */
export interface Channel {
  /** The version for all that no rollout includes. */
  readonly current: string;
  /** A person fixed it: publishing and rollouts leave it alone until it is unpinned. */
  readonly pinned: boolean;
  /** A newer version for some of them; null where none is on its way. */
  readonly rollout: Rollout | null;
}

export function readChannel(node: JsonNode): Channel {
  node.checkKeys(["current", "pinned", "rollout"]);
  return {
    current: node.get("current").matching(Patterns.modelVersion),
    pinned: node.get("pinned").flag(),
    rollout: node.get("rollout").orNull((item) => readRollout(item)),
  };
}

/** What a device must be like to be offered a version. */
export interface Conditions {
  /** For some platforms the oldest version of the operating system. */
  readonly minOs: ReadonlyMap<string, string> | null;
  /** Which versions of the app, as in ">=1.2.0 <3.0.0". */
  readonly appVersion: string | null;
  /** How much memory. */
  readonly minMemoryBytes: number | null;
  /** "unmetered" to be downloaded over Wi-Fi only, or "any". */
  readonly network: Word<"networksOfConditions"> | null;
}

export function readConditions(node: JsonNode): Conditions {
  node.checkKeys([], ["min_os", "app_version", "min_memory_bytes", "network"]);
  return {
    minOs: ifThere(node.findOptional("min_os"), (item) => mapValues(item.entries(100000, Lists.platforms), (item) => item.matching(Patterns.systemVersion))),
    appVersion: ifThere(node.findOptional("app_version"), (item) => readRange(item)),
    minMemoryBytes: ifThere(node.findOptional("min_memory_bytes"), (item) => item.whole(1, 1125899906842624)),
    network: ifThere(node.findOptional("network"), (item) => item.oneOf(Lists.networksOfConditions)),
  };
}

/** The temperature and the thresholds of one artifact. */
export interface Confidence {
  /** "artifact" where they were fitted on its own answers; "reference" where nothing here runs it, and those of the trained network stand in. */
  readonly fittedOn: Word<"fittedOn">;
  readonly temperature: number;
  readonly sure: Threshold;
  readonly coarse: Threshold | null;
  readonly known: Known;
}

export function readConfidence(node: JsonNode): Confidence {
  node.checkKeys(["fitted_on", "temperature", "sure", "coarse", "known"]);
  return {
    fittedOn: node.get("fitted_on").oneOf(Lists.fittedOn),
    temperature: node.get("temperature").number(0.05, 20.0),
    sure: readThreshold(node.get("sure")),
    coarse: node.get("coarse").orNull((item) => readThreshold(item)),
    known: readKnown(node.get("known")),
  };
}

/** One file of a bundle. */
export interface File {
  /** Where it lies in the bundle, with forward slashes. */
  readonly path: string;
  /** One of `FOLDERS`. */
  readonly role: Word<"roles">;
  /** Of its bytes, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Its length. */
  readonly sizeBytes: number;
}

export function readFile(node: JsonNode): File {
  node.checkKeys(["path", "role", "sha256", "size_bytes"]);
  return {
    path: node.get("path").text(2000),
    role: node.get("role").oneOf(Lists.roles),
    sha256: node.get("sha256").matching(Patterns.sha256),
    sizeBytes: node.get("size_bytes").whole(0, 1073741824),
  };
}

/** A photo with the answers expected of each artifact. */
export interface Golden {
  /** Path of the photo in the bundle. */
  readonly file: string;
  /** Its true label. */
  readonly label: string;
  /** For each artifact (by path) the probability of every label, in label order. */
  readonly answers: ReadonlyMap<string, readonly number[]>;
  /** For each artifact (by path) its known score. */
  readonly knownScores: ReadonlyMap<string, number>;
}

export function readGolden(node: JsonNode): Golden {
  node.checkKeys(["file", "label", "answers", "known_scores"]);
  return {
    file: node.get("file").text(2000),
    label: node.get("label").text(2000),
    answers: mapValues(node.get("answers").entries(100000), (item) => item.items(0, 100000).map((item) => item.number(0.0, 1.0))),
    knownScores: mapValues(node.get("known_scores").entries(100000), (item) => item.number(-1e+30, 1e+30)),
  };
}

/** The coarse class of each label. */
export interface Hierarchy {
  /** Names of the coarse classes. */
  readonly coarse: readonly string[];
  /** For each label, in order, the index of its coarse class. */
  readonly parents: readonly number[];
}

export function readHierarchy(node: JsonNode): Hierarchy {
  node.checkKeys(["coarse", "parents"]);
  return {
    coarse: node.get("coarse").items(2, 100000).map((item) => item.text(2000)),
    parents: node.get("parents").items(2, 100000).map((item) => item.whole(0, 100000)),
  };
}

/** From which score on a photo shows a known thing. */
export interface Known {
  /** One of `SCORES`. */
  readonly score: Word<"scores">;
  /** Below it is "not a known thing"; null where that is never said. */
  readonly minScore: number | null;
}

export function readKnown(node: JsonNode): Known {
  node.checkKeys(["score", "min_score", "target_precision", "cross_fitted", "kept", "rejected", "named", "precision", "precision_interval_95"]);
  return {
    score: node.get("score").oneOf(Lists.scores),
    minScore: node.get("min_score").orNull((item) => item.number(-1000000000000.0, 1.0)),
  };
}

/** Everything about a bundle. */
export interface Manifest {
  /** Name of the model. */
  readonly model: string;
  /** Semantic version; never changes its content. */
  readonly version: string;
  /** As in "ghostnet_100". */
  readonly architecture: string;
  /** Names the training result that the artifacts were made from. */
  readonly checkpointSha256: string;
  /** Class names in the order of the outputs. */
  readonly labels: readonly string[];
  /** From a photo to the input's pixels. */
  readonly preprocess: Preprocess;
  /** The coarse class of each label, for devices and the cloud alike; null where there are none. */
  readonly hierarchy: Hierarchy | null;
  /** Where the photos came from. */
  readonly photosSource: string;
  /** Under which terms. */
  readonly photosLicence: string;
  /** The model files. */
  readonly artifacts: readonly Artifact[];
  /** Photos with expected answers. */
  readonly golden: readonly Golden[];
  /** Labels, names, golden photos, reports and licences. */
  readonly otherFiles: readonly File[];
  readonly hasCloud: boolean;
}

export function readManifest(node: JsonNode): Manifest {
  node.checkKeys(["schema", "model", "version", "architecture", "checkpoint_sha256", "labels", "preprocess", "hierarchy", "metrics", "photos_source", "photos_licence", "artifacts", "golden", "other_files", "cloud", "comparison"]);
  return {
    model: node.get("model").matching(Patterns.modelName),
    version: node.get("version").matching(Patterns.modelVersion),
    architecture: node.get("architecture").matching(Patterns.name),
    checkpointSha256: node.get("checkpoint_sha256").matching(Patterns.sha256),
    labels: node.get("labels").items(2, 100000).map((item) => item.text(2000)),
    preprocess: readPreprocess(node.get("preprocess")),
    hierarchy: node.get("hierarchy").orNull((item) => readHierarchy(item)),
    photosSource: node.get("photos_source").text(2000),
    photosLicence: node.get("photos_licence").text(100000),
    artifacts: node.get("artifacts").items(1, 50).map((item) => readArtifact(item)),
    golden: node.get("golden").items(0, 1000).map((item) => readGolden(item)),
    otherFiles: node.get("other_files").items(0, 1000).map((item) => readFile(item)),
    hasCloud: !node.get("cloud").isNull,
  };
}

/** From a decoded photo to model input. */
export interface Preprocess {
  /** Side of the square that the model takes, in pixels, 32 to 1024. */
  readonly inputPx: number;
  /** Length of the photo's shorter side before the centre crop, at least `input_px`. */
  readonly resizePx: number;
  /** "bilinear", "bicubic" or "lanczos", each with Pillow's antialiasing: the filter's support grows with the factor of reduction. */
  readonly resampler: Word<"resamplers">;
  readonly steps: readonly string[];
}

export function readPreprocess(node: JsonNode): Preprocess {
  node.checkKeys(["input_px", "resize_px", "resampler", "steps"]);
  return {
    inputPx: node.get("input_px").whole(32, 1024),
    resizePx: node.get("resize_px").whole(32, 2048),
    resampler: node.get("resampler").oneOf(Lists.resamplers),
    steps: node.get("steps").items(0, 100).map((item) => item.text(2000)),
  };
}

/** A version that was published; it is never removed, and its content never changes. */
export interface PublishedVersion {
  /** A semantic version. */
  readonly version: string;
  /** When, RFC 3339 in UTC to the second. */
  readonly publishedAt: string;
  /** What a device must be like to be offered it; null for any. */
  readonly conditions: Conditions | null;
  /** Why it is offered to nobody any more who does not run it; null where it is. */
  readonly deprecated: string | null;
}

export function readPublishedVersion(node: JsonNode): PublishedVersion {
  node.checkKeys(["version", "published_at", "conditions", "deprecated"]);
  return {
    version: node.get("version").matching(Patterns.modelVersion),
    publishedAt: readTime(node.get("published_at")),
    conditions: node.get("conditions").orNull((item) => readConditions(item)),
    deprecated: node.get("deprecated").orNull((item) => item.text(2000)),
  };
}

/** What is published of one model, and the policy of who is offered which version. */
export interface Release {
  /** Its name. */
  readonly model: string;
  /** All that are published, in the order of publishing. */
  readonly versions: readonly PublishedVersion[];
  /** By name; `stable` is always among them. */
  readonly channels: ReadonlyMap<string, Channel>;
}

export function readRelease(node: JsonNode): Release {
  node.checkKeys(["schema", "model", "versions", "channels"]);
  return {
    model: node.get("model").matching(Patterns.modelName),
    versions: node.get("versions").items(1, 10000).map((item) => readPublishedVersion(item)),
    channels: mapValues(node.get("channels").entries(100), (item) => readChannel(item)),
  };
}

/** A version on its way to a share of the devices of a channel. */
export interface Rollout {
  /** The one that those devices are offered. */
  readonly version: string;
  /** How many of 10,000 devices. */
  readonly shareBp: number;
  /** Decides which; 32 hexadecimal digits, new for each rollout. */
  readonly salt: string;
  /** When, RFC 3339 in UTC to the second. */
  readonly startedAt: string;
}

export function readRollout(node: JsonNode): Rollout {
  node.checkKeys(["version", "share_bp", "salt", "started_at"]);
  return {
    version: node.get("version").matching(Patterns.modelVersion),
    shareBp: node.get("share_bp").whole(0, 10000),
    salt: node.get("salt").matching(Patterns.salt),
    startedAt: readTime(node.get("started_at")),
  };
}

/** From which probability on an answer stands. */
export interface Threshold {
  /** Calibrated, over 0 to 1; null where no value reaches the target on enough photos: then no answer stands. */
  readonly minProbability: number | null;
}

export function readThreshold(node: JsonNode): Threshold {
  node.checkKeys(["min_probability", "target_precision", "cross_fitted", "precision", "precision_interval_95", "coverage", "coverage_interval_95", "photos"]);
  return {
    minProbability: node.get("min_probability").orNull((item) => item.number(0.0, 1.0)),
  };
}
