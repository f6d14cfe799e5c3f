/** The TUF client: what the trusted root vouches for, fetched, verified and remembered. */

import { type Cryptography, sha256Hex } from "../crypto.js";
import { readFile } from "../download.js";
import { GhostlensError, NetworkError, StorageError, TrustError } from "../errors.js";
import { type Connection, fetchBytes } from "../http.js";
import type { Storage } from "../storage/storage.js";
import type { DelegatedRole, TargetFile, Targets } from "./metadata.js";
import { matchesPattern } from "./patterns.js";
import { TrustedMetadata } from "./trusted.js";

/**
 * The most that each kind of metadata may have, against endless data; as in the Python client:
 * a hundred times what a repository of fifty versions needs.
 */
const LIMITS = {
  rootRotations: 256,
  delegations: 32,
  rootBytes: 512_000,
  timestampBytes: 16_384,
  snapshotBytes: 2_000_000,
  targetsBytes: 5_000_000,
};
const ABSENT_STATUSES = [403, 404];

/** What an updater needs of its surroundings. */
export interface UpdaterOptions {
  /** The server's address; `metadata/` lies below it. */
  readonly url: string;
  /** Where the files lie, as at a CDN. */
  readonly targetsUrl: string;
  readonly trustedRoot: Uint8Array;
  readonly storage: Storage;
  readonly connection: Connection;
  readonly cryptography: Cryptography;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Verified metadata of a repository; those that were seen are stored below `trust/`. */
export class Updater {
  private trusted: TrustedMetadata | null = null;

  constructor(private readonly options: UpdaterOptions) {}

  /**
   * Fetches and verifies the current metadata.
   *
   * @throws TrustError not what the trusted root vouches for.
   * @throws NetworkError unreachable.
   * @throws StorageError the metadata could not be kept.
   */
  async refresh(): Promise<void> {
    this.trusted = null;
    const { cryptography, trustedRoot, now } = this.options;
    const trusted = await TrustedMetadata.start(cryptography, trustedRoot, now());
    await this.loadRoots(trusted);
    await this.loadTimestamp(trusted);
    await this.loadSnapshot(trusted);
    await this.loadTargets(trusted, "targets", "root");
    this.trusted = trusted;
  }

  /**
   * Finds a published file, searching delegations in order (specification, section 5.6.7).
   *
   * @returns null where signed metadata name no such file.
   */
  async findTarget(path: string): Promise<TargetFile | null> {
    const trusted = this.trusted;
    if (trusted === null) throw new TrustError("unsigned", "refresh() before findTarget()");
    const visited = new Set<string>();
    const waiting: [string, string][] = [["targets", "root"]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [role, delegator] = next;
      if (visited.has(role)) continue;
      if (visited.size > LIMITS.delegations) break;
      visited.add(role);
      const targets = await this.loadTargets(trusted, role, delegator);
      const found = targets.targets.get(path);
      if (found !== undefined) return found;
      const fitting = await this.findRoles(targets, path);
      if (fitting.some((child) => child.terminating)) waiting.length = 0;
      waiting.push(...fitting.reverse().map((child): [string, string] => [child.name, role]));
    }
    return null;
  }

  /** Returns the address of a published file: its name begins with its hash. */
  targetUrl(target: TargetFile): string {
    const isHashed = this.trusted?.root.consistentSnapshot ?? true;
    const folders = target.path.split("/");
    const name = folders.pop() ?? "";
    const stored = [...folders, isHashed ? `${target.sha256}.${name}` : name];
    return `${this.options.targetsUrl}/${stored.map(encodeURIComponent).join("/")}`;
  }

  /**
   * Returns the bytes of a small published file, verified; one that is stored is not fetched.
   *
   * @throws TrustError not published, too large, or other bytes than signed.
   */
  async readTarget(path: string, maxBytes: number): Promise<Uint8Array> {
    const target = await this.findTarget(path);
    if (target === null) {
      throw new TrustError("not-published", `${this.options.url} publishes no ${path}`);
    }
    if (target.length > maxBytes) {
      throw new TrustError(
        "too-large",
        `${path} has ${target.length} bytes: allowed are ${maxBytes}`,
      );
    }
    const { storage, cryptography, connection } = this.options;
    const stored = await readFile(storage, cryptography, {
      sha256: target.sha256,
      sizeBytes: target.length,
    });
    if (stored !== null) return stored;
    const data = await fetchBytes(connection, this.targetUrl(target), target.length);
    const found = await sha256Hex(cryptography, data);
    if (data.length !== target.length || found !== target.sha256) {
      throw new TrustError("other-bytes", `${path} has other bytes than were signed`);
    }
    return data;
  }

  private async loadRoots(trusted: TrustedMetadata): Promise<void> {
    const last = trusted.root.version + LIMITS.rootRotations;
    while (trusted.root.version < last) {
      const name = `${trusted.root.version + 1}.root.json`;
      if (await this.tryStored(name, (data) => trusted.updateRoot(data))) continue;
      let data: Uint8Array;
      try {
        data = await this.fetchMetadata(name, LIMITS.rootBytes);
      } catch (error) {
        if (error instanceof NetworkError && ABSENT_STATUSES.includes(error.status)) return;
        throw error;
      }
      await trusted.updateRoot(data);
      await this.store(name, data);
    }
  }

  private async loadTimestamp(trusted: TrustedMetadata): Promise<void> {
    const name = "timestamp.json";
    // Even an expired one stays in the set, where it defends against rollback.
    await this.tryStored(name, (data) => trusted.updateTimestamp(data));
    const data = await this.fetchMetadata(name, LIMITS.timestampBytes);
    if (await trusted.updateTimestamp(data)) await this.store(name, data);
  }

  private async loadSnapshot(trusted: TrustedMetadata): Promise<void> {
    const name = "snapshot.json";
    if (await this.tryStored(name, (data) => trusted.updateSnapshot(data, true))) return;
    const wanted = trusted.timestamp.snapshot;
    const remote = trusted.root.consistentSnapshot ? `${wanted.version}.${name}` : name;
    const data = await this.fetchMetadata(remote, wanted.length ?? LIMITS.snapshotBytes);
    await trusted.updateSnapshot(data, false);
    await this.store(name, data);
  }

  private async loadTargets(
    trusted: TrustedMetadata,
    role: string,
    delegator: string,
  ): Promise<Targets> {
    const known = trusted.findTargets(role, delegator);
    if (known !== undefined) return known;
    const stored = role === "targets" ? "targets.json" : `roles/${encodeURIComponent(role)}.json`;
    const take = (data: Uint8Array): Promise<Targets> =>
      trusted.updateTargets(data, role, delegator);
    if (await this.tryStored(stored, take)) {
      const loaded = trusted.findTargets(role, delegator);
      if (loaded !== undefined) return loaded;
    }
    const wanted = trusted.snapshot.meta.get(`${role}.json`);
    if (wanted === undefined) {
      throw new TrustError("not-published", `the snapshot does not name ${role}.json`);
    }
    const name = `${encodeURIComponent(role)}.json`;
    const remote = trusted.root.consistentSnapshot ? `${wanted.version}.${name}` : name;
    const data = await this.fetchMetadata(remote, wanted.length ?? LIMITS.targetsBytes);
    const targets = await take(data);
    await this.store(stored, data);
    return targets;
  }

  private async findRoles(targets: Targets, path: string): Promise<DelegatedRole[]> {
    const fitting: DelegatedRole[] = [];
    for (const role of targets.delegations) {
      if (!(await this.isDelegated(role, path))) continue;
      fitting.push(role);
      if (role.terminating) break;
    }
    return fitting;
  }

  private async isDelegated(role: DelegatedRole, path: string): Promise<boolean> {
    if (role.paths !== null) return role.paths.some((pattern) => matchesPattern(path, pattern));
    const digest = await sha256Hex(this.options.cryptography, new TextEncoder().encode(path));
    return (role.pathHashPrefixes ?? []).some((prefix) => digest.startsWith(prefix));
  }

  /** Returns whether stored metadata were taken; those that do not hold are fetched anew. */
  private async tryStored(
    name: string,
    take: (data: Uint8Array) => Promise<unknown>,
  ): Promise<boolean> {
    const data = await this.options.storage.read(`trust/${name}`);
    if (data === null) return false;
    try {
      await take(data);
      return true;
    } catch (error) {
      if (error instanceof GhostlensError && !(error instanceof StorageError)) return false;
      throw error;
    }
  }

  private fetchMetadata(name: string, maxBytes: number): Promise<Uint8Array> {
    return fetchBytes(this.options.connection, `${this.options.url}/metadata/${name}`, maxBytes);
  }

  private store(name: string, data: Uint8Array): Promise<void> {
    return this.options.storage.write(`trust/${name}`, data);
  }
}
