/** TUF metadata (specification 1.0): parsed, and checked against keys and thresholds. */

import { Patterns } from "../contract.js";
import { type Cryptography, fromHex, sha256Hex } from "../crypto.js";
import { ManifestError, TrustError } from "../errors.js";
import { type JsonNode, readJson, readTime } from "../reading.js";
import { encodeCanonical } from "./canonical.js";
import { type PublicKey, identify, isSignedBy, readKeys } from "./keys.js";

const TOP_LEVEL = ["root", "timestamp", "snapshot", "targets"] as const;
const MAX_KEYS = 1000;
const MAX_ENTRIES = 1_000_000;

/** Which keys sign for a role, and how many of them must. */
export interface Role {
  readonly keyids: readonly string[];
  readonly threshold: number;
}

/** A role that targets metadata hand a part of the paths to. */
export interface DelegatedRole extends Role {
  readonly name: string;
  readonly terminating: boolean;
  readonly paths: readonly string[] | null;
  readonly pathHashPrefixes: readonly string[] | null;
}

/** Length and hash of a file, where the metadata give them. */
export interface FileFigures {
  readonly length: number | null;
  readonly sha256: string | null;
}

/** What one metadata file says of another. */
export interface MetaFile extends FileFigures {
  readonly version: number;
}

/** A published file. */
export interface TargetFile {
  readonly path: string;
  readonly length: number;
  readonly sha256: string;
}

/** Whatever names keys, by their ids, for other roles: root and targets. */
export interface Delegator {
  readonly keys: ReadonlyMap<string, PublicKey>;
  readonly roles: ReadonlyMap<string, Role>;
}

interface Signed {
  readonly version: number;
  /** Milliseconds since 1970, UTC. */
  readonly expiresMs: number;
}

export interface Root extends Signed, Delegator {
  readonly consistentSnapshot: boolean;
}

export interface Timestamp extends Signed {
  readonly snapshot: MetaFile;
}

export interface Snapshot extends Signed {
  readonly meta: ReadonlyMap<string, MetaFile>;
}

export interface Targets extends Signed, Delegator {
  readonly targets: ReadonlyMap<string, TargetFile>;
  readonly delegations: readonly DelegatedRole[];
}

/** A parsed file: what was signed, its canonical bytes, and the signatures by key id. */
export interface Envelope<T> {
  readonly signed: T;
  readonly payload: Uint8Array;
  readonly signatures: ReadonlyMap<string, Uint8Array>;
}

/** The kinds of metadata: the word in `_type`, and how the signed part is read. */
export const ROOT = { type: "root", read: readRoot } as const;
export const TIMESTAMP = { type: "timestamp", read: readTimestamp } as const;
export const SNAPSHOT = { type: "snapshot", read: readSnapshot } as const;
export const TARGETS = { type: "targets", read: readTargets } as const;

export interface Kind<T> {
  readonly type: string;
  readonly read: (signed: JsonNode) => T;
}

/**
 * Parses a metadata file; nothing is verified yet.
 *
 * @throws TrustError malformed, or of another kind.
 */
export function parseMetadata<T>(kind: Kind<T>, data: Uint8Array): Envelope<T> {
  try {
    const root = readJson(data, `${kind.type} metadata`, data.length);
    const signed = root.get("signed");
    if (signed.get("_type").text() !== kind.type) signed.get("_type").fail(`expected ${kind.type}`);
    if (!/^1\.\d/.test(signed.get("spec_version").text())) {
      signed.get("spec_version").fail("allowed is 1.x");
    }
    const payload = encodeCanonical(signed.value);
    return { signed: kind.read(signed), payload, signatures: readSignatures(root) };
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new TrustError("malformed", error.message, { cause: error });
  }
}

/**
 * Checks that enough keys of a role signed a file.
 *
 * @throws TrustError they did not, or the delegator names no such role.
 */
export async function verifySignatures(
  cryptography: Cryptography,
  delegator: Delegator,
  roleName: string,
  envelope: Envelope<unknown>,
): Promise<void> {
  const role = delegator.roles.get(roleName);
  if (role === undefined) throw new TrustError("unsigned", `nobody delegates to ${roleName}`);
  const signers = new Set<string>();
  for (const keyid of role.keyids) {
    const [key, signature] = [delegator.keys.get(keyid), envelope.signatures.get(keyid)];
    if (key === undefined || signature === undefined) continue;
    if (await isSignedBy(cryptography, key, signature, envelope.payload))
      signers.add(identify(key));
  }
  if (signers.size < role.threshold) {
    throw new TrustError(
      "unsigned",
      `${roleName} metadata are signed by ${signers.size} of ${role.threshold} keys that the ` +
        "trusted root asks for",
    );
  }
}

/**
 * Checks a file against the length and hash that signed metadata give it.
 *
 * @throws TrustError other bytes than were signed.
 */
export async function verifyFigures(
  cryptography: Cryptography,
  name: string,
  data: Uint8Array,
  figures: FileFigures,
): Promise<void> {
  if (figures.length !== null && data.length !== figures.length) {
    throw new TrustError(
      data.length > figures.length ? "too-large" : "other-bytes",
      `${name} has ${data.length} bytes, signed were ${figures.length}`,
    );
  }
  if (figures.sha256 !== null) {
    const found = await sha256Hex(cryptography, data);
    if (found !== figures.sha256) {
      throw new TrustError(
        "other-bytes",
        `${name} has other bytes than were signed: sha256 ${found}, expected ${figures.sha256}`,
      );
    }
  }
}

function readSignatures(root: JsonNode): Map<string, Uint8Array> {
  const signatures = new Map<string, Uint8Array>();
  for (const node of root.get("signatures").items(0, MAX_KEYS)) {
    const keyid = node.get("keyid").text();
    if (signatures.has(keyid)) node.fail(`two signatures of the key ${keyid}`);
    // An empty signature stands for one that is still to come.
    signatures.set(
      keyid,
      fromHex(node.get("sig").anyText()) ?? node.fail("sig is not hexadecimal"),
    );
  }
  return signatures;
}

function readCommon(signed: JsonNode): Signed {
  const expiresMs = Date.parse(readTime(signed.get("expires")));
  return { version: signed.get("version").whole(1), expiresMs };
}

function readRoot(signed: JsonNode): Root {
  const roles = new Map<string, Role>();
  for (const [name, node] of signed.get("roles").members()) roles.set(name, readRole(node));
  for (const name of TOP_LEVEL) if (!roles.has(name)) signed.get("roles").get(name);
  return {
    ...readCommon(signed),
    consistentSnapshot: signed.find("consistent_snapshot")?.flag() ?? false,
    keys: readKeys(signed.get("keys")),
    roles,
  };
}

function readTimestamp(signed: JsonNode): Timestamp {
  return { ...readCommon(signed), snapshot: readMetaFile(signed.get("meta").get("snapshot.json")) };
}

function readSnapshot(signed: JsonNode): Snapshot {
  const entries = [...signed.get("meta").members()];
  return {
    ...readCommon(signed),
    meta: new Map(entries.map(([name, node]) => [name, readMetaFile(node)])),
  };
}

function readTargets(signed: JsonNode): Targets {
  const delegations = signed.find("delegations");
  const roles = delegations?.get("roles").items(0, MAX_ENTRIES).map(readDelegatedRole) ?? [];
  const byName = new Map(roles.map((role) => [role.name, role]));
  if (byName.size !== roles.length) delegations?.fail("two roles of one name");
  const entries = [...signed.get("targets").members()];
  return {
    ...readCommon(signed),
    targets: new Map(entries.map(([path, node]) => [path, readTarget(path, node)])),
    keys: delegations === null ? new Map() : readKeys(delegations.get("keys")),
    roles: byName,
    delegations: roles,
  };
}

function readDelegatedRole(node: JsonNode): DelegatedRole {
  const name = node.get("name").text();
  if (name === "" || TOP_LEVEL.some((taken) => taken === name)) {
    node.get("name").fail(`${JSON.stringify(name)} cannot be delegated to`);
  }
  const texts = (key: string): string[] | null =>
    node
      .find(key)
      ?.items(0, MAX_ENTRIES)
      .map((item) => item.anyText()) ?? null;
  const [paths, pathHashPrefixes] = [texts("paths"), texts("path_hash_prefixes")];
  if ((paths === null) === (pathHashPrefixes === null)) {
    node.fail("it needs either paths or path_hash_prefixes");
  }
  return {
    ...readRole(node),
    name,
    terminating: node.get("terminating").flag(),
    paths,
    pathHashPrefixes,
  };
}

function readRole(node: JsonNode): Role {
  const keyids = node
    .get("keyids")
    .items(0, MAX_KEYS)
    .map((item) => item.text());
  if (new Set(keyids).size !== keyids.length) node.get("keyids").fail("a key stands there twice");
  return { keyids, threshold: node.get("threshold").whole(1) };
}

function readMetaFile(node: JsonNode): MetaFile {
  return { version: node.get("version").whole(1), ...readFigures(node) };
}

function readTarget(path: string, node: JsonNode): TargetFile {
  const { sha256 } = readFigures(node);
  if (sha256 === null) node.fail("it has no sha256");
  return { path, length: node.get("length").whole(), sha256 };
}

function readFigures(node: JsonNode): FileFigures {
  const hashes = node.find("hashes");
  return {
    length: node.find("length")?.whole() ?? null,
    sha256: hashes === null ? null : hashes.get("sha256").matching(Patterns.sha256),
  };
}
