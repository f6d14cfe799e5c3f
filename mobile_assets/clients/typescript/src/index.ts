/** Ghostlens for apps in browsers and React Native. */

export { includesBucket, includesDevice, findBucket } from "./bucketing.js";
export { type Check, GhostlensClient, type Update, type Versions } from "./client.js";
export type { ApplyDelta } from "./deltas.js";
export type { ClientOptions } from "./options.js";
export type { TakeOptions, TakeableVersion } from "./pulling.js";
export { type Cryptography, toHex, webCryptography } from "./crypto.js";
export {
  type Decision,
  type Objection,
  type Offer,
  Policy,
  type Restraint,
  offerOf,
} from "./decide.js";
export { type Action, type Code, MAX_PROBABILITY_DIFFERENCE } from "./contract.js";
export type { Device, KnownDevice, Running, RuntimeOfApp } from "./device.js";
export * from "./errors.js";
export { type Named, type Recognition, type Verdict, judge } from "./judge.js";
export {
  type Artifact,
  type Confidence,
  type File,
  type Golden,
  type Hierarchy,
  type Manifest,
  type Preprocess,
  parseManifest,
} from "./manifest.js";
export type { InstalledModel } from "./model.js";
export { chooseLanguage } from "./names.js";
export { type Area, type Pixels, Preparation, preprocess, resize } from "./preprocess.js";
export {
  type Channel,
  type Conditions,
  type PublishedVersion,
  type Release,
  type Rollout,
  parseRelease,
} from "./release.js";
export {
  type Answer,
  type LoadedArtifact,
  type PhotoResult,
  type SelfTestReport,
  describeSelfTest,
} from "./selftest.js";
export { browserStorage } from "./storage/browser.js";
export { memoryStorage } from "./storage/memory.js";
export { Queues, type Storage } from "./storage/storage.js";
export { Updater, type UpdaterOptions } from "./tuf/updater.js";
export type { Platform, Runtime } from "./variants.js";
export { compareSystems, compareVersions, isInRange, runsOnExecutorch } from "./versions.js";
