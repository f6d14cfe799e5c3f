/** `release.json`: the versions of a model, and who is offered which. Signed as a TUF target. */

import { WHOLE_SHARE_BP } from "./bucketing.js";
import { type KnownDevice, STABLE } from "./device.js";
import { GhostlensError, VersionError } from "./errors.js";
import { type JsonNode, checkSchema, readJson } from "./reading.js";
import { PLATFORMS } from "./variants.js";
import { compareSystems, isInRange, isVersion, parseRange } from "./versions.js";

const SCHEMA = "ghostlens.release/2";
export const MAX_RELEASE_BYTES = 4 << 20;
const MAX_VERSIONS = 10_000;
const MAX_MEMORY_BYTES = 2 ** 50;
const CHANNEL = /^[a-z][a-z0-9-]{0,31}$/;
const SALT = /^[0-9a-f]{32}$/;

/** What a device must be like to be offered a version. What it does not say does not hold. */
export interface Conditions {
  readonly minOs: ReadonlyMap<string, string>;
  readonly appVersion: string | null;
  readonly minMemoryBytes: number | null;
  readonly network: "any" | "unmetered";
}

/** A version that was published; its content never changes. */
export interface PublishedVersion {
  readonly version: string;
  readonly publishedAt: string;
  readonly conditions: Conditions | null;
  /** Why it is offered to nobody any more who does not run it. */
  readonly deprecated: string | null;
}

/** A version on its way to a share of a channel's devices. */
export interface Rollout {
  readonly version: string;
  /** How many of 10,000 devices. */
  readonly shareBp: number;
  readonly salt: string;
  readonly startedAt: string;
}

/** What the devices that follow a channel run. */
export interface Channel {
  readonly current: string;
  readonly pinned: boolean;
  readonly rollout: Rollout | null;
}

/** The signed policy of one model. */
export interface Release {
  readonly model: string;
  readonly versions: readonly PublishedVersion[];
  readonly channels: ReadonlyMap<string, Channel>;
}

/**
 * Reads a `release.json`.
 *
 * @throws ManifestError malformed, contradicting itself, or of a newer schema.
 */
export function parseRelease(data: Uint8Array): Release {
  const root = readJson(data, "release.json", MAX_RELEASE_BYTES);
  checkSchema(root, SCHEMA);
  const versions = root.get("versions").items(MAX_VERSIONS).map(readPublished);
  const names = new Set(versions.map((entry) => entry.version));
  if (names.size !== versions.length) root.get("versions").fail("versions repeat");
  const channels = new Map<string, Channel>();
  for (const [name, node] of root.get("channels").members()) {
    if (!CHANNEL.test(name)) node.fail("a channel's name has 1 to 32 of a-z, 0-9 and '-'");
    channels.set(name, readChannel(node, names));
  }
  if (!channels.has(STABLE)) root.get("channels").fail(`it has no ${STABLE}`);
  return { model: root.get("model").modelName(), versions, channels };
}

/** Returns, in words, a condition that a device does not meet and will not soon; or null. */
export function findUnmet(conditions: Conditions, device: KnownDevice): string | null {
  const least = conditions.minOs.get(device.platform);
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

/** Reads conditions; an unknown one is refused, as ignoring it would widen the policy. */
export function readConditions(node: JsonNode): Conditions {
  const known = ["min_os", "app_version", "min_memory_bytes", "network"];
  for (const [name, member] of node.members()) {
    if (!known.includes(name)) member.fail(`it is not known: allowed are ${known.join(", ")}`);
  }
  return {
    minOs: readMinOs(node.find("min_os")),
    appVersion: node.find("app_version") && readRange(node.get("app_version")),
    minMemoryBytes: node.find("min_memory_bytes")?.whole(1, MAX_MEMORY_BYTES) ?? null,
    network: node.find("network")?.oneOf(["any", "unmetered"]) ?? "any",
  };
}

function readPublished(node: JsonNode): PublishedVersion {
  const conditions = node.find("conditions");
  return {
    version: readVersion(node.get("version")),
    publishedAt: node.get("published_at").text(),
    conditions: conditions === null ? null : readConditions(conditions),
    deprecated: node.find("deprecated")?.text() ?? null,
  };
}

function readChannel(node: JsonNode, names: ReadonlySet<string>): Channel {
  const rollout = node.find("rollout");
  return {
    current: readNamed(node.get("current"), names),
    pinned: node.get("pinned").flag(),
    rollout: rollout && {
      version: readNamed(rollout.get("version"), names),
      shareBp: rollout.get("share_bp").whole(0, WHOLE_SHARE_BP),
      salt: rollout.get("salt").matching(SALT, "32 hexadecimal digits"),
      startedAt: rollout.get("started_at").text(),
    },
  };
}

/** Reads a version of a model, which has no build metadata. */
export function readVersion(node: JsonNode): string {
  const text = node.text();
  if (!isVersion(text) || text.includes("+")) node.fail(`${JSON.stringify(text)} is no version`);
  return text;
}

function readNamed(node: JsonNode, names: ReadonlySet<string>): string {
  const version = readVersion(node);
  return names.has(version) ? version : node.fail(`${version} is not among the versions`);
}

function readMinOs(node: JsonNode | null): Map<string, string> {
  const found = new Map<string, string>();
  for (const [platform, member] of node?.members() ?? []) {
    if (!PLATFORMS.some((name) => name === platform)) {
      member.fail(`allowed are ${PLATFORMS.join(", ")}`);
    }
    found.set(
      platform,
      checked(member, (text) => compareSystems(text, text)),
    );
  }
  return found;
}

function readRange(node: JsonNode): string {
  return checked(node, parseRange);
}

function checked(node: JsonNode, check: (text: string) => unknown): string {
  try {
    check(node.text());
    return node.text();
  } catch (error) {
    if (error instanceof VersionError) node.fail(error.message);
    throw error;
  }
}

function holds(found: string | undefined, check: (found: string) => boolean): boolean {
  try {
    return found !== undefined && check(found);
  } catch (error) {
    if (error instanceof GhostlensError) return false;
    throw error;
  }
}

function show(found: unknown): string {
  return found === undefined ? "one that does not say" : String(found).slice(0, 40);
}
