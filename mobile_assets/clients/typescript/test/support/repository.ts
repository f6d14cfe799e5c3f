/** A TUF repository made by hand, so that tests can do to it what an attacker would. */

import { createHash, createSign, generateKeyPairSync, webcrypto } from "node:crypto";
import { encodeCanonical } from "../../src/tuf/canonical.js";

export const MODEL = "colours";
export const LABELS = ["red", "green", "blue"];
export const SALT = "00112233445566778899aabbccddeeff";
const DAY_MS = 86_400_000;
const MODEL_PATHS = [1, 2, 3, 4, 5, 6].map((depth) => MODEL + "/*".repeat(depth));

type Json = Record<string, unknown>;

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

export function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(
    typeof value === "string" ? value : JSON.stringify(value, null, 1),
  );
}

type Sign = (payload: Uint8Array<ArrayBuffer>) => Promise<Buffer>;

/** A key pair with its TUF id: Ed25519 as Ghostlens has it, or ECDSA as others do. */
export class Key {
  private constructor(
    private readonly signer: Sign,
    readonly json: Json,
    readonly id: string,
  ) {}

  static async make(): Promise<Key> {
    const pair = (await webcrypto.subtle.generateKey("Ed25519", true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    const raw = Buffer.from(await webcrypto.subtle.exportKey("raw", pair.publicKey));
    const json = { keytype: "ed25519", scheme: "ed25519", keyval: { public: raw.toString("hex") } };
    const sign: Sign = async (payload) =>
      Buffer.from(await webcrypto.subtle.sign("Ed25519", pair.privateKey, payload));
    return new Key(sign, json, sha256(encodeCanonical(json)));
  }

  /** Only a key on prime256v1, which others call P-256, is one that clients know. */
  static makeEcdsa(namedCurve = "prime256v1", keytype = "ecdsa"): Key {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
    const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
    const json = { keytype, scheme: "ecdsa-sha2-nistp256", keyval: { public: pem } };
    const sign: Sign = (payload) =>
      Promise.resolve(createSign("sha256").update(payload).sign(privateKey));
    return new Key(sign, json, sha256(encodeCanonical(json)));
  }

  async sign(payload: Uint8Array): Promise<string> {
    return (await this.signer(payload as Uint8Array<ArrayBuffer>)).toString("hex");
  }
}

export type RoleName = "root" | "timestamp" | "snapshot" | "targets" | typeof MODEL;
const ROLES: RoleName[] = ["root", "timestamp", "snapshot", "targets", MODEL];

/** Metadata and targets by the paths at which a server gives them. */
export class Repository {
  readonly files = new Map<string, Uint8Array>();
  readonly targets = new Map<string, Uint8Array>();
  readonly keys = new Map<RoleName, Key[]>();
  thresholds: Partial<Record<RoleName, number>> = {};
  expiresMs = Date.now() + DAY_MS;
  paths = MODEL_PATHS;
  versions: Json[] = [];
  channels: Json = {};
  /** In Chinese, of the versions that are added from now on; null for labels alone. */
  names: Record<string, string> | null = null;
  version = 0;
  rootVersion = 0;
  trustedRoot: Uint8Array = new Uint8Array();

  static async make(): Promise<Repository> {
    const repository = new Repository();
    for (const role of ROLES) repository.keys.set(role, [await Key.make()]);
    await repository.writeRoot();
    repository.trustedRoot = repository.files.get("metadata/1.root.json") ?? new Uint8Array();
    return repository;
  }

  keysOf(role: RoleName): Key[] {
    return this.keys.get(role) ?? [];
  }

  /** Publishes the next root; `signers` of the one before sign as well. */
  async writeRoot(before: Key[] = []): Promise<void> {
    this.rootVersion += 1;
    const roles = Object.fromEntries(
      ROLES.filter((role) => role !== MODEL).map((role) => [role, this.role(role)]),
    );
    const keys = ROLES.filter((role) => role !== MODEL).flatMap((role) => this.keysOf(role));
    const signed = {
      ...this.common("root", this.rootVersion),
      consistent_snapshot: true,
      keys: Object.fromEntries(keys.map((key) => [key.id, key.json])),
      roles,
    };
    const data = await this.sign(signed, [...this.keysOf("root"), ...before]);
    this.files.set(`metadata/${this.rootVersion}.root.json`, data);
  }

  /** Puts a target; clients see it after the next commit. */
  put(path: string, data: Uint8Array): void {
    this.targets.set(path, data);
    this.files.set(this.stored(path), data);
  }

  stored(path: string): string {
    const name = path.split("/").pop() ?? "";
    const folder = path.slice(0, path.length - name.length);
    return `targets/${folder}${sha256(this.targets.get(path) ?? new Uint8Array())}.${name}`;
  }

  /** Publishes a version with an artifact of that text, and makes it current. */
  async add(version: string, text = version, changes: Json = {}): Promise<void> {
    const path = `artifacts/${MODEL}-${version}-litert-fp32.tflite`;
    const artifact = toBytes(text);
    const files = new Map([["labels.txt", toBytes(LABELS.join("\n") + "\n")]]);
    for (const label of LABELS) files.set(`golden/${label}.jpg`, toBytes(`photo of ${label}`));
    if (this.names) files.set("names/zh-Hans.json", toBytes(this.names));
    const manifest = { ...makeManifest(version, path, artifact, files), ...changes };
    files.set(path, artifact).set("manifest.json", toBytes(manifest));
    for (const [name, data] of files) this.put(`${MODEL}/${version}/${name}`, data);
    const published_at = "2026-11-24T15:45:00Z";
    this.versions.push({ version, published_at, conditions: null, deprecated: null });
    this.channels["stable"] = { current: version, pinned: false, rollout: null };
    await this.release();
  }

  /** Signs the policy as it stands, and all metadata anew. */
  async release(changes: Json = {}): Promise<void> {
    const schema = "ghostlens.release/2";
    const value = { schema, model: MODEL, versions: this.versions, channels: this.channels };
    this.put(`${MODEL}/release.json`, toBytes({ ...value, ...changes }));
    await this.commit();
  }

  async commit(): Promise<void> {
    this.version += 1;
    const targets = Object.fromEntries(
      [...this.targets].map(([path, data]) => [path, figures(data)]),
    );
    const model = await this.sign({ ...this.common("targets"), targets }, this.keysOf(MODEL));
    const delegated = { ...this.role(MODEL), name: MODEL, terminating: true, paths: this.paths };
    const keys = Object.fromEntries(this.keysOf(MODEL).map((key) => [key.id, key.json]));
    const delegations = { keys, roles: [delegated] };
    const top = { ...this.common("targets"), targets: {}, delegations };
    const signed = await this.sign(top, this.keysOf("targets"));
    const meta = { "targets.json": this.meta(signed), [`${MODEL}.json`]: this.meta(model) };
    const snapshot = await this.sign({ ...this.common("snapshot"), meta }, this.keysOf("snapshot"));
    this.write(`${this.version}.targets.json`, signed);
    this.write(`${this.version}.${MODEL}.json`, model);
    this.write(`${this.version}.snapshot.json`, snapshot);
    const timestamp = {
      ...this.common("timestamp"),
      meta: { "snapshot.json": this.meta(snapshot) },
    };
    this.write("timestamp.json", await this.sign(timestamp, this.keysOf("timestamp")));
  }

  write(name: string, data: Uint8Array): void {
    this.files.set(`metadata/${name}`, data);
  }

  async sign(signed: Json, keys: Key[]): Promise<Uint8Array> {
    const payload = encodeCanonical(signed);
    const signatures = [];
    for (const key of keys) signatures.push({ keyid: key.id, sig: await key.sign(payload) });
    return toBytes({ signatures, signed });
  }

  private common(type: string, version = this.version): Json {
    const expires = new Date(this.expiresMs).toISOString().replace(/\.\d+Z$/, "Z");
    return { _type: type, spec_version: "1.0.31", version, expires };
  }

  private meta(data: Uint8Array): Json {
    return { version: this.version, ...figures(data) };
  }

  private role(name: RoleName): Json {
    const keyids = this.keysOf(name).map((key) => key.id);
    return { keyids, threshold: this.thresholds[name] ?? 1 };
  }
}

function figures(data: Uint8Array): Json {
  return { length: data.length, hashes: { sha256: sha256(data) } };
}

function makeManifest(
  version: string,
  path: string,
  artifact: Uint8Array,
  files: ReadonlyMap<string, Uint8Array>,
): Json {
  const describe = (data: Uint8Array): Json => ({ sha256: sha256(data), size_bytes: data.length });
  return {
    schema: files.has("names/zh-Hans.json") ? "ghostlens.bundle/4" : "ghostlens.bundle/3",
    model: MODEL,
    version,
    architecture: "ghostnet_100",
    checkpoint_sha256: "0".repeat(64),
    labels: LABELS,
    preprocess: { input_px: 32, resize_px: 36, resampler: "bilinear", steps: ["Decode."] },
    hierarchy: null,
    metrics: { top1: 0.9, top5: 1, photos: 3 },
    photos_source: "made by a test",
    photos_licence: "CC0-1.0",
    cloud: null,
    comparison: null,
    artifacts: [
      {
        path,
        ...describe(artifact),
        runtime: "litert",
        precision: "fp32",
        backend: "",
        platforms: ["android", "web"],
        tool_versions: { "ai-edge-litert": "2.3.0" },
        input: {},
        outputs: [{ name: "probabilities" }, { name: "known_score" }],
        parity: null,
        confidence: null,
        requires: null,
        accepted_by_hand: true,
        objections: ["there is no network behind it"],
      },
    ],
    golden: LABELS.map((label) => ({
      file: `golden/${label}.jpg`,
      label,
      answers: { [path]: expectedOf(label) },
      known_scores: { [path]: -1 },
    })),
    other_files: [...files].map(([name, data]) => ({
      path: name,
      role: name === "labels.txt" ? "labels" : name.startsWith("names/") ? "names" : "golden",
      ...describe(data),
    })),
  };
}

export function expectedOf(label: string): number[] {
  return LABELS.map((name) => (name === label ? 0.9 : 0.05));
}

/** What an app would do with a photo and a model file: here the photo's words say what it shows. */
export function answerWell(photo: Uint8Array): number[] {
  const words = new TextDecoder().decode(photo);
  return expectedOf(words.replace("photo of ", ""));
}
