/** The metadata that are trusted now: each is taken in after all that the specification asks. */

import type { Cryptography } from "../crypto.js";
import { TrustError } from "../errors.js";
import {
  type Delegator,
  type Kind,
  ROOT,
  type Root,
  SNAPSHOT,
  type Snapshot,
  TARGETS,
  TIMESTAMP,
  type Targets,
  type Timestamp,
  parseMetadata,
  verifyFigures,
  verifySignatures,
} from "./metadata.js";

/** The client workflow of TUF 1.0, section 5, as a set that only grows by what is verified. */
export class TrustedMetadata {
  private currentTimestamp: Timestamp | null = null;
  private currentSnapshot: Snapshot | null = null;
  private readonly targetsOf = new Map<string, Targets>();
  /** Which delegator vouched for which role: another one's word does not count. */
  private readonly vouched = new Set<string>();

  private constructor(
    private readonly cryptography: Cryptography,
    private readonly nowMs: number,
    private currentRoot: Root,
  ) {}

  /**
   * Starts from the root metadata that the app was shipped with.
   *
   * @param nowMs against which expiry is judged, the whole update long; milliseconds since 1970.
   */
  static async start(
    cryptography: Cryptography,
    trustedRoot: Uint8Array,
    nowMs: number,
  ): Promise<TrustedMetadata> {
    const envelope = parseMetadata(ROOT, trustedRoot);
    await verifySignatures(cryptography, envelope.signed, "root", envelope);
    return new TrustedMetadata(cryptography, nowMs, envelope.signed);
  }

  get root(): Root {
    return this.currentRoot;
  }

  get timestamp(): Timestamp {
    return require(this.currentTimestamp, "timestamp");
  }

  get snapshot(): Snapshot {
    return require(this.currentSnapshot, "snapshot");
  }

  /** Returns what was taken of a role on the word of that delegator. */
  findTargets(role: string, delegator: string): Targets | undefined {
    const isVouched = this.vouched.has(JSON.stringify([delegator, role]));
    return isVouched ? this.targetsOf.get(role) : undefined;
  }

  /** Takes the next root: signed by the one before and by itself (section 5.3). */
  async updateRoot(data: Uint8Array): Promise<void> {
    const root = await this.verify(ROOT, data, this.currentRoot, "root");
    if (root.version !== this.currentRoot.version + 1) {
      throw new TrustError(
        "older",
        `expected root version ${this.currentRoot.version + 1}, got ${root.version}`,
      );
    }
    await this.verify(ROOT, data, root, "root");
    this.currentRoot = root;
  }

  /**
   * Takes a timestamp that is not older than the one before (section 5.4).
   *
   * An expired one stays, to defend against rollback, and an error says so.
   *
   * @returns whether it is newer than the one before.
   */
  async updateTimestamp(data: Uint8Array): Promise<boolean> {
    this.checkFresh("root", this.currentRoot);
    const timestamp = await this.verify(TIMESTAMP, data, this.currentRoot, "timestamp");
    const before = this.currentTimestamp;
    if (before !== null) {
      checkNotOlder("timestamp", timestamp.version, before.version);
      if (timestamp.version === before.version) {
        this.checkFresh("timestamp", before);
        return false;
      }
      checkNotOlder("snapshot", timestamp.snapshot.version, before.snapshot.version);
    }
    this.currentTimestamp = timestamp;
    this.checkFresh("timestamp", timestamp);
    return true;
  }

  /**
   * Takes a snapshot in which nothing is older than before (section 5.5).
   *
   * @param isStored it was verified once, so that only signatures and versions count: an old one
   *     defends against rollback of the new one.
   */
  async updateSnapshot(data: Uint8Array, isStored: boolean): Promise<void> {
    this.checkFresh("timestamp", this.timestamp);
    const wanted = this.timestamp.snapshot;
    if (!isStored) await verifyFigures(this.cryptography, "snapshot.json", data, wanted);
    const snapshot = await this.verify(SNAPSHOT, data, this.currentRoot, "snapshot");
    for (const [name, before] of this.currentSnapshot?.meta ?? []) {
      const now = snapshot.meta.get(name);
      if (now === undefined) throw new TrustError("older", `the new snapshot lost ${name}`);
      checkNotOlder(name, now.version, before.version);
    }
    this.currentSnapshot = snapshot;
    this.checkFinalSnapshot();
  }

  /** Takes targets metadata of a role that `delegator` names (section 5.6). */
  async updateTargets(data: Uint8Array, role: string, delegatorName: string): Promise<Targets> {
    this.checkFinalSnapshot();
    const wanted = this.snapshot.meta.get(`${role}.json`);
    if (wanted === undefined) {
      throw new TrustError("not-published", `the snapshot does not name ${role}.json`);
    }
    await verifyFigures(this.cryptography, `${role}.json`, data, wanted);
    const delegator =
      delegatorName === "root" ? this.currentRoot : this.targetsOf.get(delegatorName);
    if (delegator === undefined) throw new TrustError("unsigned", `nobody delegates to ${role}`);
    const targets = await this.verify(TARGETS, data, delegator, role);
    if (targets.version !== wanted.version) {
      throw new TrustError(
        "older",
        `expected version ${wanted.version} of ${role}.json, got ${targets.version}`,
      );
    }
    this.checkFresh(role, targets);
    this.targetsOf.set(role, targets);
    this.vouched.add(JSON.stringify([delegatorName, role]));
    return targets;
  }

  private checkFinalSnapshot(): void {
    this.checkFresh("snapshot", this.snapshot);
    const wanted = this.timestamp.snapshot.version;
    if (this.snapshot.version !== wanted) {
      throw new TrustError(
        "older",
        `expected version ${wanted} of snapshot.json, got ${this.snapshot.version}`,
      );
    }
  }

  private checkFresh(role: string, signed: { readonly expiresMs: number }): void {
    if (signed.expiresMs > this.nowMs) return;
    throw new TrustError(
      "expired",
      `the ${role} metadata expired on ${new Date(signed.expiresMs).toISOString()}: old metadata ` +
        "are repeated, nobody renewed them, or the clock here is wrong",
    );
  }

  private async verify<T>(
    kind: Kind<T>,
    data: Uint8Array,
    delegator: Delegator,
    role: string,
  ): Promise<T> {
    const envelope = parseMetadata(kind, data);
    await verifySignatures(this.cryptography, delegator, role, envelope);
    return envelope.signed;
  }
}

function checkNotOlder(name: string, now: number, before: number): void {
  if (now >= before) return;
  throw new TrustError(
    "older",
    `version ${now} of the ${name} metadata is older than version ${before}, which was seen before`,
  );
}

function require<T>(metadata: T | null, role: string): T {
  if (metadata === null) throw new TrustError("unsigned", `there are no ${role} metadata yet`);
  return metadata;
}
