/**
 * What a device should run: the one decision, which the server and every client make alike.
 *
 * The signed release is the upper bound. A server may hold back; it can offer nothing that the
 * release does not.
 */

import { includesDevice } from "./bucketing.js";
import { type Action, SPACE_FACTOR, WHOLE_SHARE_BP } from "./contract.js";
import type { Cryptography } from "./crypto.js";
import { type KnownDevice, type RuntimeOfApp, channelOf, runtimesOf } from "./device.js";
import { VersionError } from "./errors.js";
import { type Artifact, type Manifest, chooseOtherFiles } from "./manifest.js";
import { type Release, findUnmet, mustWaitForNetwork } from "./release.js";
import { isOfferedByDefault, rankOf } from "./variants.js";
import { compareVersions, runsOnExecutorch } from "./versions.js";

/** What of an artifact counts for the decision. */
export type OfferedArtifact = Pick<
  Artifact,
  "path" | "runtime" | "precision" | "backend" | "platforms" | "madeWith" | "sha256" | "sizeBytes"
>;

/** What a version's manifest holds for devices. */
export interface Offer {
  readonly manifestSha256: string;
  readonly artifacts: readonly OfferedArtifact[];
  /** Of all else that a device downloads: manifest, labels, golden photos, licences. */
  readonly otherBytes: number;
}

/** What a server holds back of the signed policy; a client knows of nothing. */
export interface Restraint {
  readonly halted: ReadonlySet<string>;
  /** No device beyond this share is newly offered the rollout's version. */
  readonly shareBp: number;
}

/** Why a version is not for a device: a word for machines, and words for people. */
export interface Objection {
  readonly code: string;
  readonly reason: string;
}

/** What a device should do: `version` is the one to take, or the one that the reason is about. */
export interface Decision extends Objection {
  readonly action: Action;
  readonly version: string | null;
  readonly artifact: string | null;
}

const NOTHING_HELD_BACK: Restraint = { halted: new Set(), shareBp: WHOLE_SHARE_BP };

/** Returns what counts of a manifest with that hash and length. */
export function offerOf(manifest: Manifest, manifestSha256: string, sizeBytes: number): Offer {
  const others = chooseOtherFiles(manifest).map((file) => file.sizeBytes);
  return {
    manifestSha256,
    artifacts: manifest.artifacts,
    otherBytes: others.reduce((sum, size) => sum + size, sizeBytes),
  };
}

/**
 * Returns the file of the first runtime of an app for which there is one: the most faithful, or the
 * most faithful of those that are small enough.
 */
export function chooseArtifact<T extends OfferedArtifact>(
  artifacts: readonly T[],
  device: KnownDevice,
): T | null {
  for (const runtime of runtimesOf(device)) {
    const fitting = artifacts.filter((artifact) => fits(artifact, device, runtime));
    fitting.sort((a, b) => rankOf(a) - rankOf(b));
    const chosen = device.mostBytes === undefined ? fitting[0] : fitInto(device.mostBytes, fitting);
    if (chosen !== undefined) return chosen;
  }
  return null;
}

/** Returns the first file that is small enough, or the smallest. */
function fitInto<T extends OfferedArtifact>(mostBytes: number, artifacts: readonly T[]): T | undefined {
  // Kernels that quantise as they go differ: by 0.05 of a probability between LiteRT and LiteRT.js
  // on drawn photos, which a self-test does not let pass. Other files are there to choose from.
  const steady = artifacts.filter(({ precision }) => precision !== "dynamic-int8");
  const taken = steady.length > 0 ? steady : artifacts;
  const bySize = [...taken].sort((a, b) => a.sizeBytes - b.sizeBytes);
  return taken.find(({ sizeBytes }) => sizeBytes <= mostBytes) ?? bySize[0];
}

/** Returns the versions that a channel's devices may be offered, the first choice first. */
export function listCandidates(release: Release, channelName: string): string[] {
  const channel = release.channels.get(channelName);
  if (channel === undefined) return [];
  const first = channel.rollout?.version;
  return first === undefined || first === channel.current
    ? [channel.current]
    : [first, channel.current];
}

/** Decides what devices should run, by one signed release. */
export class Policy {
  /**
   * @param offers what the manifest of each candidate of the device's channel holds, by version.
   * @param restraint what a server holds back.
   */
  constructor(
    private readonly cryptography: Cryptography,
    private readonly release: Release,
    private readonly offers: ReadonlyMap<string, Offer>,
    private readonly restraint: Restraint = NOTHING_HELD_BACK,
  ) {}

  /** Decides what a device should run. */
  async decide(device: KnownDevice): Promise<Decision> {
    const channel = channelOf(device);
    const candidates = listCandidates(this.release, channel);
    if (candidates.length === 0) {
      const there = [...this.release.channels.keys()].join(", ");
      return none("no-channel", `there is no channel ${channel}: there are ${there}`, null);
    }
    let last: Objection = { code: "up-to-date", reason: "you run what you should" };
    for (const version of candidates) {
      const running = this.runs(device, version);
      const objection = running
        ? await this.objectToRunning(device, version)
        : await this.objectToTaking(device, version);
      if (objection === null && running) return none(last.code, last.reason, version);
      if (objection === null) return this.take(device, version);
      last = objection;
    }
    const version = candidates.at(-1) ?? null;
    const leave = this.objectToStaying(device);
    if (leave === null) return none(last.code, last.reason, version);
    const reason = `${leave.reason}; ${last.reason}`;
    return { action: "go-back", code: leave.code, reason, version, artifact: null };
  }

  /** Returns why a device may not take a version now, or null where it may. */
  async objectToTaking(device: KnownDevice, version: string): Promise<Objection | null> {
    const objection = await this.objectToRunning(device, version);
    if (objection !== null) return objection;
    const channel = this.release.channels.get(channelOf(device));
    const rollout = channel?.rollout;
    if (rollout && version === rollout.version && version !== channel.current) {
      const held = { ...rollout, shareBp: this.restraint.shareBp };
      if (!(await includesDevice(this.cryptography, held, device.deviceId))) {
        return { code: "held", reason: `${version} is held until enough devices reported` };
      }
    }
    return this.objectToDownload(device, version);
  }

  /** Returns why a device may not run a version on, or null where it may: only policy counts. */
  async objectToRunning(device: KnownDevice, version: string): Promise<Objection | null> {
    const name = channelOf(device);
    const channel = this.release.channels.get(name);
    if (channel === undefined || !listCandidates(this.release, name).includes(version)) {
      return { code: "not-offered", reason: `${version} is not offered in ${name}` };
    }
    if (version !== channel.current && channel.rollout !== null) {
      if (!(await includesDevice(this.cryptography, channel.rollout, device.deviceId))) {
        return { code: "not-in-rollout", reason: `${version} is not yet for this device` };
      }
    }
    return this.objectAnyway(device, version);
  }

  private objectAnyway(device: KnownDevice, version: string): Objection | null {
    if (this.restraint.halted.has(version)) {
      return { code: "halted", reason: `${version} was halted` };
    }
    if (device.refused?.includes(version)) {
      return { code: "refused-here", reason: `${version} failed on this device` };
    }
    return null;
  }

  private objectToDownload(device: KnownDevice, version: string): Objection | null {
    const entry = this.release.versions.find((published) => published.version === version);
    const offer = this.offers.get(version);
    if (entry === undefined || entry.deprecated !== null) {
      const why = entry === undefined ? "" : `: ${entry.deprecated}`;
      return { code: "deprecated", reason: `${version} is deprecated${why}` };
    }
    const unmet = entry.conditions && findUnmet(entry.conditions, device);
    if (unmet) {
      return { code: "conditions", reason: `${version} is not for this device: ${unmet}` };
    }
    const artifact = offer && chooseArtifact(offer.artifacts, device);
    if (!artifact) return { code: "nothing-fits", reason: this.describeMisfit(device, version) };
    const isKept = device.have?.includes(artifact.sha256) ?? false;
    const least = SPACE_FACTOR * (offer.otherBytes + (isKept ? 0 : artifact.sizeBytes));
    if (device.freeBytes !== undefined && device.freeBytes < least) {
      const reason = `${version} needs ${least} free bytes, twice its download`;
      return { code: "no-space", reason };
    }
    if (entry.conditions && mustWaitForNetwork(entry.conditions, device)) {
      const reason = `${version} is downloaded over an unmetered network only`;
      return { code: "network", reason };
    }
    return null;
  }

  /** Returns why a device must leave what it runs although it can take nothing, or null. */
  private objectToStaying(device: KnownDevice): Objection | null {
    const version = device.running?.version;
    if (version === undefined) return null;
    const objection = this.objectAnyway(device, version);
    if (objection !== null) return objection;
    const current = this.release.channels.get(channelOf(device))?.current ?? "";
    const isPublished = this.release.versions.some((entry) => entry.version === version);
    // An older one is waiting for the update; a newer one was rolled back.
    if (!isPublished || compareVersions(version, current) >= 0) {
      return { code: "withdrawn", reason: `${version} is not what should run` };
    }
    return null;
  }

  private take(device: KnownDevice, version: string): Decision {
    const running = device.running?.version;
    const artifact = chooseArtifact(this.offers.get(version)?.artifacts ?? [], device);
    const make = (code: string, reason: string): Decision => {
      return { action: "take", code, reason, version, artifact: artifact?.path ?? null };
    };
    if (running === undefined) return make("first", "you run none yet");
    if (running === version) {
      const reason = `what you run as ${version} has other content than was published`;
      return make("other-content", reason);
    }
    if (isNewer(version, running)) return make("new-version", `${version} is newer than yours`);
    return make("rolled-back", `${running} is not offered to you any more`);
  }

  private runs(device: KnownDevice, version: string): boolean {
    const running = device.running;
    if (running?.version !== version) return false;
    const found = running.manifestSha256;
    return found === undefined || found === this.offers.get(version)?.manifestSha256;
  }

  private describeMisfit(device: KnownDevice, version: string): string {
    const names = runtimesOf(device).map(({ name, version }) => `${name} ${version ?? ""}`.trim());
    const wanted = names.join(" or ") + (device.precision ? ` in ${device.precision}` : "");
    return `${this.release.model} ${version} has nothing for ${device.platform} with ${wanted}`;
  }
}

function none(code: string, reason: string, version: string | null): Decision {
  return { action: "none", code, reason, version, artifact: null };
}

function isNewer(version: string, running: string): boolean {
  try {
    return compareVersions(version, running) > 0;
  } catch (error) {
    if (error instanceof VersionError) return true; // than something that never was a version
    throw error;
  }
}

function fits(artifact: OfferedArtifact, device: KnownDevice, runtime: RuntimeOfApp): boolean {
  if (artifact.runtime !== runtime.name) return false;
  if (!artifact.platforms.includes(device.platform)) return false;
  const binds = artifact.runtime === "executorch" && artifact.madeWith !== "";
  if (binds && runtime.version !== undefined) {
    if (!runsOnExecutorch(artifact.madeWith, runtime.version)) return false;
  }
  if (device.precision !== undefined) return artifact.precision === device.precision;
  return isOfferedByDefault(artifact);
}
