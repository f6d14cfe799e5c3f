/** `release.json`: the versions of a model, and who is offered which. Signed as a TUF target. */

import { MAX_RELEASE_BYTES, Patterns, RELEASE_NAME, RELEASE_SCHEMA, STABLE } from "./contract.js";
import type { KnownDevice } from "./device.js";
import { type Conditions, type Release, readRelease } from "./documents.js";
import { VersionError } from "./errors.js";
import { checkSchema, readJson } from "./reading.js";
import { compareSystems, isInRange } from "./versions.js";

export type { Channel, Conditions, PublishedVersion, Release, Rollout } from "./documents.js";

/**
 * Reads a `release.json`.
 *
 * @throws ManifestError malformed, contradicting itself, or of a newer schema.
 */
export function parseRelease(data: Uint8Array): Release {
  const root = readJson(data, RELEASE_NAME, MAX_RELEASE_BYTES);
  checkSchema(root, RELEASE_SCHEMA);
  const release = readRelease(root);
  const names = new Set(release.versions.map((entry) => entry.version));
  if (names.size !== release.versions.length) root.fail("versions repeat");
  if (!release.channels.has(STABLE)) root.fail(`channels has no ${STABLE}`);
  for (const [name, { current, rollout }] of release.channels) {
    if (Patterns.channelName.match(name) === null) {
      root.fail(`channels.${name}: the name must be ${Patterns.channelName.allowed}`);
    }
    for (const version of [current, rollout?.version ?? current]) {
      if (!names.has(version)) root.fail(`channels.${name}: ${version} is not among the versions`);
    }
  }
  return release;
}

/** Returns, in words, a condition that a device does not meet and will not soon; or null. */
export function findUnmet(conditions: Conditions, device: KnownDevice): string | null {
  const least = conditions.minOs?.get(device.platform);
  const [os, app, memory] = [device.osVersion, device.appVersion, device.memoryBytes];
  if (least !== undefined && !holds(os, (found) => compareSystems(found, least) >= 0)) {
    return `it needs ${device.platform} ${least}, not ${show(os)}`;
  }
  const wanted = conditions.appVersion;
  if (wanted !== null && !holds(app, (found) => isInRange(found, wanted))) {
    return `it needs version ${wanted} of the app, not ${show(app)}`;
  }
  const needed = conditions.minMemoryBytes;
  if (needed !== null && (memory === undefined || memory < needed)) {
    return `it needs ${needed} bytes of memory, not ${show(memory)}`;
  }
  return null;
}

/** Returns whether a device must not download over the network that it has now. */
export function mustWaitForNetwork(conditions: Conditions, device: KnownDevice): boolean {
  return conditions.network === "unmetered" && device.network !== "unmetered";
}

function holds(found: string | undefined, check: (found: string) => boolean): boolean {
  try {
    return found !== undefined && check(found);
  } catch (error) {
    if (error instanceof VersionError) return false;
    throw error;
  }
}

function show(found: unknown): string {
  return found === undefined ? "one that does not say" : String(found).slice(0, 40);
}
