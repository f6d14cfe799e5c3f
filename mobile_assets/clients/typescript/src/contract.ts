// Generated from clients/contract.json by `python -m mobile_assets contract`: do not edit.

import { TextPattern } from "./pattern.js";

export const GEN_GAMMA = 0.1;
export const GEN_TOP = 100;
export const LABELS_NAME = "labels.txt";
export const MANIFEST_NAME = "manifest.json";
export const MANIFEST_SCHEMA = "ghostlens.bundle/3";
export const MAX_ASPECT = 20;
export const MAX_BOUNDS = 8;
export const MAX_CHANNELS = 100;
export const MAX_JSON_DEPTH = 32;
export const MAX_KNOWN_SCORE_DIFFERENCE = 0.1;
export const MAX_LABEL_CHARS = 200;
export const MAX_MANIFEST_BYTES = 16777216;
export const MAX_NAMES_BYTES = 16777216;
export const MAX_PIXELS = 52000000;
export const MAX_PROBABILITY_DIFFERENCE = 0.02;
export const MAX_RANGE_CHARS = 256;
export const MAX_RELEASE_BYTES = 4194304;
export const MIN_LABELS = 2;
export const NAMES_SCHEMA = "ghostlens.bundle/4";
export const RELEASE_NAME = "release.json";
export const RELEASE_SCHEMA = "ghostlens.release/2";
export const SPACE_FACTOR = 2;
export const STABLE = "stable";
export const WHOLE_SHARE_BP = 10000;

/** The form of texts. */
export const Patterns = {
  bound: new TextPattern("(>=|>|<=|<|=)(.+)", 256, "bounds like >=1.2.0"),
  channelName: new TextPattern("[a-z][a-z0-9-]{0,31}", 2000, "1 to 32 of a-z, 0-9 and '-', a letter first"),
  fileName: new TextPattern("[A-Za-z0-9](?:[A-Za-z0-9._-]{0,148}[A-Za-z0-9_-])?", 2000, "A-Z, a-z, 0-9, '.', '_', '-'"),
  modelName: new TextPattern("[a-z0-9]+(-[a-z0-9]+)*", 64, "a-z, 0-9 and single '-'"),
  modelVersion: new TextPattern("(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?", 64, "versions like 1.2.0 or 1.2.0-rc.1"),
  name: new TextPattern("[a-z0-9][a-z0-9_.-]{0,63}", 2000, "a-z, 0-9, '_', '.', '-'"),
  namesFile: new TextPattern("([a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?)\\.json", 2000, "a language and .json: BCP 47 tags of language, script and region, as in en, zh-Hans or pt-BR"),
  runtimeVersion: new TextPattern("(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})(?:[.+-].*)?", 2000, "versions like 1.4.1"),
  salt: new TextPattern("[0-9a-f]{32}", 2000, "32 lower-case hexadecimal digits"),
  schema: new TextPattern("(.+)/([1-9][0-9]{0,8})", 2000, "a name, a slash and a number"),
  semanticVersion: new TextPattern("((?:0|[1-9][0-9]*))\\.((?:0|[1-9][0-9]*))\\.((?:0|[1-9][0-9]*))(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?", 128, "semantic versions"),
  sha256: new TextPattern("[0-9a-f]{64}", 2000, "64 lower-case hexadecimal digits"),
  systemVersion: new TextPattern("(?:0|[1-9][0-9]{0,8})(?:\\.(?:0|[1-9][0-9]{0,8})){0,3}", 2000, "versions like 17.4"),
  time: new TextPattern("([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", 2000, "RFC 3339 times in UTC, as in 2026-11-24T15:45:00Z"),
  wantedLanguage: new TextPattern("([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?(?:-.*)?", 2000, "tags like zh-cn, in lower case"),
} as const;

/** The words that are allowed. */
export const Lists = {
  backends: ["", "coreml", "vulkan", "xnnpack"],
  fittedOn: ["artifact", "reference"],
  networks: ["unmetered", "metered"],
  networksOfConditions: ["any", "unmetered"],
  outputs: ["probabilities", "known_score"],
  platforms: ["android", "ios", "web", "python"],
  precisions: ["fp32", "fp16", "int8", "dynamic-int8", "int8-weights", "palette8", "palette6"],
  pulledRoles: ["labels", "names", "golden", "licence"],
  resamplers: ["bilinear", "bicubic", "lanczos"],
  roles: ["artifact", "golden", "report", "licence", "labels", "names", "cloud-artifact", "cloud-golden", "cloud-report", "cloud-licence"],
  runtimes: ["executorch", "litert", "coreml"],
  scores: ["known_score", "max_probability", "gen"],
} as const;

/** One of the words of a list. */
export type Word<List extends keyof typeof Lists> = (typeof Lists)[List][number];

/** The folder in which the files of each role lie. */
export const FOLDERS = {
  "artifact": "artifacts/",
  "cloud-artifact": "cloud/artifacts/",
  "cloud-golden": "cloud/golden/",
  "cloud-licence": "cloud/licences/",
  "cloud-report": "cloud/reports/",
  "golden": "golden/",
  "labels": "",
  "licence": "licences/",
  "names": "names/",
  "report": "reports/",
} as const;

/** The runtimes of each platform, the default first. */
export const RUNTIMES_OF = {
  android: ["litert", "executorch"],
  ios: ["coreml", "litert", "executorch"],
  python: ["litert"],
  web: ["litert"],
} as const;

/** The kinds of artifacts, of each runtime the most faithful first. */
export const VARIANTS = [
  { runtime: "executorch", precision: "fp32", backend: "xnnpack", executedHere: true },
  { runtime: "executorch", precision: "int8", backend: "xnnpack", executedHere: true },
  { runtime: "executorch", precision: "fp16", backend: "coreml", executedHere: false },
  { runtime: "executorch", precision: "fp16", backend: "vulkan", executedHere: false },
  { runtime: "litert", precision: "fp32", backend: "", executedHere: true },
  { runtime: "litert", precision: "fp16", backend: "", executedHere: true },
  { runtime: "litert", precision: "dynamic-int8", backend: "", executedHere: true },
  { runtime: "litert", precision: "int8", backend: "", executedHere: true },
  { runtime: "coreml", precision: "fp16", backend: "", executedHere: true },
  { runtime: "coreml", precision: "int8-weights", backend: "", executedHere: true },
  { runtime: "coreml", precision: "palette8", backend: "", executedHere: true },
  { runtime: "coreml", precision: "palette6", backend: "", executedHere: true },
] as const;

/** The action of an answer. */
export type Action =
  /** Run what the app was shipped with. */
  | "go-back"
  /** Run on as you are. */
  | "none"
  /** Download the version and switch to it. */
  | "take";

/** The code of an answer. */
export type Code =
  /** None: the version's conditions do not hold for this device. */
  | "conditions"
  /** None: the version is offered to nobody any more who does not run it. */
  | "deprecated"
  /** Take: it runs nothing of this model that was published. */
  | "first"
  /** None or go-back: the version was halted. */
  | "halted"
  /** None: a version is on its way, but paused, or held until enough devices reported. */
  | "held"
  /** None: the version may only be downloaded over an unmetered network. */
  | "network"
  /** Take: a newer version. */
  | "new-version"
  /** None: there is no such channel. */
  | "no-channel"
  /** None: less than twice the download is free. */
  | "no-space"
  /** None: a version is on its way, but not to this device. */
  | "not-in-rollout"
  /** No answer to a check: the version is not one of the channel's. */
  | "not-offered"
  /** None: the version has no file that this app can run. */
  | "nothing-fits"
  /** Take: what it runs has other content than was published. */
  | "other-content"
  /** None or go-back: the version failed on this device. */
  | "refused-here"
  /** Take: what it runs is no longer offered to it, an older version is. */
  | "rolled-back"
  /** None: it runs what it should. */
  | "up-to-date"
  /** Go-back: what it runs is no longer offered to it, nor can it take another. */
  | "withdrawn";

/** The verdict of an answer. */
export type Verdict =
  /** Only the coarse class does. */
  | "coarse"
  /** The label stands. */
  | "sure"
  /** None of the labels. */
  | "unknown"
  /** Ask a better network, or a person. */
  | "unsure";
