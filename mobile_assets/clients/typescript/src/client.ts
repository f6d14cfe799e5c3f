/** The client of an app: check, download, verify, self-test, switch, and go back. */

import { MAX_ANSWER_BYTES, type ServerAnswer, parseAnswer, toRequest } from "./asking.js";
import { type Cryptography, webCryptography } from "./crypto.js";
import { type Action, type Decision, type Objection, Policy, chooseArtifact } from "./decide.js";
import { type Device, type KnownDevice, channelOf, checkDevice } from "./device.js";
import { type Wanted, download, fileName, readFile, removeParts } from "./download.js";
import { ConfigError, SelfTestError, StorageError } from "./errors.js";
import { type Connection, postJson } from "./http.js";
import * as installed from "./installed.js";
import { type Artifact, chooseOtherFiles } from "./manifest.js";
import { type InstalledModel, loadModel } from "./model.js";
import { type Catalogue, type SignedVersion, listWanted, readCatalogue } from "./offers.js";
import { type Happened, Reports } from "./reports.js";
import { type Answer, type SelfTestReport, describeSelfTest, runSelfTest } from "./selftest.js";
import type { Storage } from "./storage/storage.js";
import { Updater } from "./tuf/updater.js";

const TIMEOUT_MS = 30_000;
const RETRIES = 3;
const RETRY_DELAY_MS = 500;
const MODEL = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** What a client is made of. */
export interface ClientOptions {
  /** The server's address, as in "https://models.example.org". */
  readonly url: string;
  /** Where the files lie, where that is elsewhere, as at a CDN; "<url>/targets" when not given. */
  readonly targetsUrl?: string;
  /** The `root.json` that the app is shipped with: its bytes, its text, or the parsed object. */
  readonly trustedRoot: Uint8Array | string | object;
  readonly model: string;
  /** What the device is like; a function is asked each time, as networks change. */
  readonly device: Device | (() => Device | Promise<Device>);
  readonly storage: Storage;
  /** False where files lie on a plain file server: the signed policy decides alone. */
  readonly askServer?: boolean;
  /** WebCrypto when not given; React Native needs one. */
  readonly cryptography?: Cryptography;
  readonly fetch?: typeof globalThis.fetch;
  /** Longest wait for an answer, and between two pieces of it. */
  readonly timeoutMs?: number;
  readonly retries?: number;
  readonly retryDelayMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** What a check found. */
export interface Check extends Objection {
  readonly action: Action;
  readonly version: string | null;
  /** When the server wants to be asked again, in seconds; null where it does not say. */
  readonly checkAgainS: number | null;
  /** What `take` downloads, in bytes; 0 where nothing is to be taken. */
  readonly downloadBytes: number;
  readonly offer: TakeableVersion | null;
}

/** A version that may be taken; all of it is vouched for. */
export interface TakeableVersion extends SignedVersion {
  readonly artifact: Artifact;
  readonly files: readonly (Wanted & { readonly path: string })[];
}

/** What a take or an update did. */
export interface Update {
  readonly check: Check;
  /** Null where nothing was taken. */
  readonly model: InstalledModel | null;
  readonly selfTest: SelfTestReport | null;
  readonly downloadedBytes: number;
}

export interface TakeOptions {
  readonly signal?: AbortSignal;
  /** Told while files come: bytes of this version that are here, and all that it has. */
  readonly onProgress?: (receivedBytes: number, totalBytes: number) => void;
}

/** Pulls one model and keeps it usable. What fails leaves the version in use untouched. */
export class GhostlensClient {
  private readonly url: string;
  private readonly model: string;
  private readonly storage: Storage;
  private readonly cryptography: Cryptography;
  private readonly connection: Connection;
  private readonly updater: Updater;
  private readonly reports: Reports;
  private readonly installed: installed.InstalledStore;
  private readonly now: () => number;

  /** @throws ConfigError an option is not allowed; nothing is fetched yet. */
  constructor(private readonly options: ClientOptions) {
    this.url = checkUrl(options.url);
    this.model = options.model;
    if (!MODEL.test(this.model) || this.model.length > 64) {
      throw new ConfigError(`the model ${this.model}: allowed are a-z, 0-9 and single '-'`);
    }
    this.storage = options.storage;
    this.cryptography = options.cryptography ?? webCryptography();
    this.now = options.now ?? Date.now;
    this.connection = {
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    };
    this.updater = new Updater({
      url: this.url,
      targetsUrl: checkUrl(options.targetsUrl ?? `${this.url}/targets`),
      trustedRoot: toBytes(options.trustedRoot),
      storage: this.storage,
      connection: this.connection,
      cryptography: this.cryptography,
      now: this.now,
    });
    this.installed = new installed.InstalledStore(this.storage, this.model);
    this.reports = new Reports(this.storage, this.connection, this.url, this.model);
  }

  /**
   * Asks what to run. Nothing is downloaded but metadata and manifests.
   *
   * The server may hold back, and only that: a version is offered here only if the signed policy
   * allows it to this device.
   *
   * @throws TrustError not what the trusted root vouches for.
   * @throws NetworkError the server is unreachable.
   */
  check(): Promise<Check> {
    return this.storage.exclusively("pull", () => this.checkNow());
  }

  /**
   * Downloads what a check offered, verifies it, tests it with the golden photos, and switches.
   *
   * @param answer the app's way from a photo to probabilities.
   * @throws SelfTestError it answers otherwise here; the version is not offered again.
   * @throws TrustError other bytes than were signed.
   * @throws NetworkError broken off; the next call goes on from there.
   * @throws StorageError the disk is full.
   */
  take(check: Check, answer: Answer, options: TakeOptions = {}): Promise<Update> {
    return this.storage.exclusively("pull", () => this.takeNow(check, answer, options));
  }

  /** Checks, and does what the check says: takes a version, or goes back to what was shipped. */
  async update(answer: Answer, options: TakeOptions = {}): Promise<Update> {
    return this.storage.exclusively("pull", async () => {
      const check = await this.checkNow();
      if (check.action === "go-back") await this.installed.change(installed.leaveAll);
      return this.takeNow(check, answer, options);
    });
  }

  /**
   * Returns the model to run now, and counts the start: call it once at each start of the app.
   *
   * Two starts that nobody confirmed make the version before the one in use, and at last null.
   *
   * @returns null where the app must run what it was shipped with.
   */
  async start(): Promise<InstalledModel | null> {
    for (;;) {
      const [entry] = (await this.installed.change(installed.countStart)).entries;
      if (entry === undefined) return null;
      const failed = installed.hasFailedToStart(entry);
      const model = failed ? null : await loadModel(this.storage, this.cryptography, entry);
      if (model !== null) return model;
      await this.installed.change((state) => installed.leave(state, entry));
      if (failed) await this.refuse(entry, "crash");
    }
  }

  /** Notes that the model of the last `start` works; the first time it is reported. */
  async confirmStart(): Promise<void> {
    const [entry] = (await this.installed.change(installed.confirm)).entries;
    if (entry === undefined || entry.confirmed) return;
    await this.report({ event: "start", passed: true, ...describe(entry) });
  }

  /** Returns the model in use without counting a start; null for what the app was shipped with. */
  async current(): Promise<InstalledModel | null> {
    const [entry] = (await this.installed.load()).entries;
    return entry === undefined ? null : loadModel(this.storage, this.cryptography, entry);
  }

  /** Sends reports that wait, and returns how many the server took; `check` does so as well. */
  sendReports(): Promise<number> {
    return this.reports.send();
  }

  private async checkNow(): Promise<Check> {
    const device = await this.describeDevice();
    await this.updater.refresh();
    const channel = channelOf(device);
    const catalogue = await readCatalogue(this.updater, this.cryptography, this.model, channel);
    const policy = new Policy(this.cryptography, catalogue.release, catalogue.offers);
    if (this.options.askServer === false) {
      return this.toCheck(await policy.decide(device), device, catalogue, null);
    }
    await this.reports.send();
    const url = `${this.url}/v1/models/${this.model}/check`;
    const data = await postJson(this.connection, url, toRequest(device), MAX_ANSWER_BYTES);
    const answer = parseAnswer(data);
    const { action, code, reason, version, checkAgainS } = answer;
    if (action !== "take") {
      return { action, code, reason, version, checkAgainS, downloadBytes: 0, offer: null };
    }
    const objection = await this.objectTo(answer, device, catalogue, policy);
    if (objection !== null) {
      return { action: "none", ...objection, version, checkAgainS, downloadBytes: 0, offer: null };
    }
    return this.toCheck({ action, code, reason, version }, device, catalogue, checkAgainS);
  }

  /** Returns why the signed policy does not allow what the server offers, or null. */
  private async objectTo(
    answer: ServerAnswer,
    device: KnownDevice,
    catalogue: Catalogue,
    policy: Policy,
  ): Promise<Objection | null> {
    const version = answer.version ?? "";
    const objection = await policy.objectToTaking(device, version);
    if (objection !== null) return objection;
    const signed = catalogue.versions.get(version)?.manifestSha256;
    if (answer.manifestSha256 === null || answer.manifestSha256 === signed) return null;
    const reason = `the server offers another manifest of ${version} than the signed one`;
    return { code: "not-offered", reason };
  }

  private async toCheck(
    decision: Pick<Decision, "action" | "code" | "reason" | "version">,
    device: KnownDevice,
    catalogue: Catalogue,
    checkAgainS: number | null,
  ): Promise<Check> {
    const { action, code, reason, version } = decision;
    const signed = catalogue.versions.get(version ?? "");
    const artifact = signed && chooseArtifact(signed.manifest.artifacts, device);
    if (action !== "take" || !signed || !artifact) {
      return { action, code, reason, version, checkAgainS, downloadBytes: 0, offer: null };
    }
    const files = await listWanted(this.updater, signed.manifest, artifact);
    const downloadBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    const offer = { ...signed, artifact, files };
    return { action, code, reason, version, checkAgainS, downloadBytes, offer };
  }

  private async takeNow(check: Check, answer: Answer, options: TakeOptions): Promise<Update> {
    const { offer } = check;
    if (offer === null) return { check, model: null, selfTest: null, downloadedBytes: 0 };
    const downloadedBytes = await this.downloadAll(offer, options);
    const entry = toEntry(offer);
    await this.storage.write(fileName(offer.manifestSha256), offer.manifestData);
    const model = await loadModel(this.storage, this.cryptography, entry);
    if (model === null) {
      throw new StorageError(`the files of ${entry.version} did not stay in storage`);
    }
    const selfTest = await this.test(model, entry, answer);
    await this.installed.change((state) => installed.switchTo(state, entry));
    await this.collect();
    return { check, model, selfTest, downloadedBytes };
  }

  private async downloadAll(offer: TakeableVersion, options: TakeOptions): Promise<number> {
    const totalBytes = offer.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    let [hereBytes, fetchedBytes] = [0, 0];
    for (const file of offer.files) {
      if ((await readFile(this.storage, this.cryptography, file)) === null) {
        fetchedBytes += await download(file, {
          connection: this.connection,
          storage: this.storage,
          cryptography: this.cryptography,
          retries: this.options.retries ?? RETRIES,
          retryDelayMs: this.options.retryDelayMs ?? RETRY_DELAY_MS,
          signal: options.signal,
          onBytes: (received) => options.onProgress?.(hereBytes + received, totalBytes),
        });
      }
      hereBytes += file.sizeBytes;
      options.onProgress?.(hereBytes, totalBytes);
    }
    return fetchedBytes;
  }

  private async test(
    model: InstalledModel,
    entry: installed.Entry,
    answer: Answer,
  ): Promise<SelfTestReport> {
    const read = (path: string): Promise<Uint8Array> => model.read(path);
    const { manifest, artifact, version } = model;
    const report = await runSelfTest(manifest, artifact, read, answer, this.now);
    if (!report.passed) {
      await this.refuse(entry, "self-test", report);
      await this.collect();
      throw new SelfTestError(
        `${manifest.model} ${version} failed its self-test: ${describeSelfTest(report)}`,
      );
    }
    if (report.executed) {
      await this.report({ event: "self-test", passed: true, ...describe(entry), selfTest: report });
    }
    return report;
  }

  /** Notes that a version failed here, so that it is not offered again, and tells the server. */
  private async refuse(
    entry: installed.Entry,
    event: "self-test" | "crash",
    selfTest?: SelfTestReport,
  ): Promise<void> {
    const { version, manifestSha256 } = entry;
    const appVersion = (await this.askDevice()).appVersion ?? "";
    await this.installed.change((state) =>
      installed.refuse(state, { version, manifestSha256, appVersion }),
    );
    await this.report({ event, passed: false, ...describe(entry), ...(selfTest && { selfTest }) });
  }

  /** Keeps a report, and sends it if the server can be reached. */
  private async report(happened: Happened): Promise<void> {
    if (this.options.askServer === false) return;
    await this.reports.add(await this.askDevice(), happened);
    await this.reports.send();
  }

  /** Removes what no model in this storage needs. */
  private async collect(): Promise<void> {
    const needed = new Set<string>();
    for (const entry of await installed.listAllEntries(this.storage)) {
      needed.add(fileName(entry.manifestSha256));
      const model = await loadModel(this.storage, this.cryptography, entry);
      if (model === null) continue;
      const files = [model.artifact, ...chooseOtherFiles(model.manifest)];
      for (const file of files) needed.add(fileName(file.sha256));
    }
    for (const name of await this.storage.list("files/")) {
      if (!needed.has(name)) await this.storage.remove(name);
    }
    await removeParts(this.storage, new Set());
  }

  private async describeDevice(): Promise<KnownDevice> {
    const device = await this.askDevice();
    const { entries, refused } = await this.installed.load();
    const [first] = entries;
    const running = first && { version: first.version, manifestSha256: first.manifestSha256 };
    return {
      ...device,
      running,
      have: entries.map((entry) => entry.artifactSha256),
      // Another version of the app may do better.
      refused: refused
        .filter((entry) => entry.appVersion === (device.appVersion ?? ""))
        .map((entry) => entry.version),
    };
  }

  private async askDevice(): Promise<Device> {
    const { device } = this.options;
    const found = typeof device === "function" ? await device() : device;
    checkDevice(found);
    return found;
  }
}

function toEntry(offer: TakeableVersion): installed.Entry {
  return {
    version: offer.manifest.version,
    manifestSha256: offer.manifestSha256,
    manifestBytes: offer.manifestData.length,
    artifact: offer.artifact.path,
    artifactSha256: offer.artifact.sha256,
    runtime: offer.artifact.runtime,
    confirmed: false,
    unconfirmedStarts: 0,
  };
}

function describe(entry: installed.Entry): Pick<Happened, "version" | "artifact"> {
  const { version, artifactSha256: sha256, runtime } = entry;
  return { version, artifact: { sha256, runtime } };
}

function checkUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigError(`the address ${text}: allowed are http://... and https://...`);
  }
  if (!["http:", "https:"].includes(url.protocol)) {
    throw new ConfigError(`the address ${text}: allowed are http://... and https://...`);
  }
  return text.replace(/\/+$/, "");
}

function toBytes(root: Uint8Array | string | object): Uint8Array {
  if (root instanceof Uint8Array) return root;
  return new TextEncoder().encode(typeof root === "string" ? root : JSON.stringify(root));
}
