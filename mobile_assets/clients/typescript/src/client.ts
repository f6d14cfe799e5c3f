/** The client of an app: check, download, verify, self-test, switch, and go back. */

import { MAX_ANSWER_BYTES, type ServerAnswer, parseAnswer, toRequest } from "./asking.js";
import type { Action } from "./contract.js";
import { type Decision, type Objection, Policy, chooseArtifact } from "./decide.js";
import { findDelta } from "./deltas.js";
import { type Device, type KnownDevice, channelOf, checkDevice } from "./device.js";
import { SelfTestError, StorageError } from "./errors.js";
import { postJson } from "./http.js";
import * as installed from "./installed.js";
import type { Recognition } from "./judge.js";
import { type InstalledModel, loadModel } from "./model.js";
import { type Catalogue, listWanted, readCatalogue } from "./offers.js";
import { type ClientOptions, type Settings, resolveOptions } from "./options.js";
import {
  type TakeOptions,
  type TakeableVersion,
  countMissingBytes,
  pullFiles,
  removeUnneeded,
} from "./pulling.js";
import { type Happened, Reports } from "./reports.js";
import { type Answer, type SelfTestReport, describeSelfTest, runSelfTest } from "./selftest.js";
import { Updater } from "./tuf/updater.js";
import { Usage } from "./usage.js";

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

/** What a take or an update did. */
export interface Update {
  readonly check: Check;
  /** Null where nothing was taken. */
  readonly model: InstalledModel | null;
  readonly selfTest: SelfTestReport | null;
  readonly downloadedBytes: number;
}

/** Which versions there are on the device. */
export interface Versions {
  /** The one in use; null for what the app was shipped with. */
  readonly current: string | null;
  /** The one that `goBack` leads to; null for what the app was shipped with. */
  readonly former: string | null;
  /** Those that the user left by `goBack`, and that are not offered until `allowAgain`. */
  readonly left: readonly string[];
}

/** Pulls one model and keeps it usable. What fails leaves the version in use untouched. */
export class GhostlensClient {
  private readonly settings: Settings;
  private readonly updater: Updater;
  private readonly reports: Reports;
  private readonly usage: Usage;
  private readonly installed: installed.InstalledStore;

  /** @throws ConfigError an option is not allowed; nothing is fetched yet. */
  constructor(options: ClientOptions) {
    this.settings = resolveOptions(options);
    const { storage, connection, url, model } = this.settings;
    this.updater = new Updater(this.settings);
    this.installed = new installed.InstalledStore(storage, model);
    this.reports = new Reports(storage, connection, url, model);
    this.usage = new Usage(storage, connection, url, model, this.settings.now);
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
    return this.exclusively(() => this.checkNow());
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
    return this.exclusively(() => this.takeNow(check, answer, options));
  }

  /** Checks, and does what the check says: takes a version, or goes back to what was shipped. */
  update(answer: Answer, options: TakeOptions = {}): Promise<Update> {
    return this.exclusively(async () => this.takeNow(await this.checkNow(), answer, options));
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
      const model = failed ? null : await this.load(entry);
      if (model !== null) return model;
      const nowMs = this.settings.now();
      await this.installed.change((state) => installed.leave(state, entry, nowMs));
      if (failed) await this.report({ event: "crash", passed: false, ...describe(entry) });
    }
  }

  /** Notes that the model of the last `start` works; the first time it is reported. */
  async confirmStart(): Promise<void> {
    const [entry] = (await this.installed.change(installed.confirm)).entries;
    if (entry === undefined || entry.confirmed) return;
    await this.report({ event: "start", passed: true, ...describe(entry) });
  }

  /** Takes the last `start` back: what kept the model from answering was not the model. */
  async cancelStart(): Promise<void> {
    await this.installed.change(installed.uncountStart);
  }

  /** Returns the model in use without counting a start; null for what the app was shipped with. */
  async current(): Promise<InstalledModel | null> {
    const [entry] = (await this.installed.load()).entries;
    return entry === undefined ? null : this.load(entry);
  }

  /** Tells which versions are in use, can be gone back to, and were left; nothing is loaded. */
  async versions(): Promise<Versions> {
    const state = await this.installed.load();
    const [current, former] = state.entries.map(({ version }) => version);
    const left = installed.listLeft(state);
    return { current: current ?? null, former: former ?? null, left };
  }

  /**
   * Leaves the version in use for the one before, as the user wants.
   *
   * The one left is not offered again until `allowAgain`; a newer one is. The version before runs
   * from the next `start` on.
   *
   * @returns false where no version is in use, so that there is nothing to leave.
   * @throws StorageError files of the version before are not whole any more; nothing is left then.
   */
  async goBack(): Promise<boolean> {
    const [current, former] = (await this.installed.load()).entries;
    if (current === undefined) return false;
    if (former !== undefined && (await this.load(former)) === null) {
      throw new StorageError(`the files of ${former.version} did not stay in storage`);
    }
    await this.installed.change((state) => installed.leaveByUser(state, current));
    return true;
  }

  /** Lets the versions that were left by `goBack` be offered again. */
  async allowAgain(): Promise<void> {
    await this.installed.change(installed.allowLeft);
  }

  /** Sends reports that wait, and returns how many the server took; `check` does so as well. */
  sendReports(): Promise<number> {
    return this.reports.send();
  }

  /**
   * Counts a scan, for the sums that the next check tells. Does nothing without `shareUsage`.
   *
   * @param version the one that answered.
   * @param found what `judge` made of it.
   * @param sent whether the photo was sent to the server as well.
   */
  async countScan(version: string, found: Recognition, sent = false): Promise<void> {
    if (this.settings.shareUsage) await this.usage.note(version, found, sent);
  }

  private load(entry: installed.Entry): Promise<InstalledModel | null> {
    return loadModel(this.settings.storage, this.settings.cryptography, entry);
  }

  /** Only one client at a time fetches into a storage. */
  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.settings.storage.exclusively("pull", work);
  }

  private async checkNow(): Promise<Check> {
    const { cryptography, model, askServer } = this.settings;
    const device = await this.describeDevice();
    await this.updater.refresh();
    const channel = channelOf(device);
    const catalogue = await readCatalogue(this.updater, cryptography, model, channel);
    const policy = new Policy(cryptography, catalogue.release, catalogue.offers);
    const signed = await policy.decide(device);
    if (!askServer) return this.toCheck(signed, device, catalogue, null);
    const answer = await this.ask(device);
    // No server can keep a device on what was withdrawn.
    if (signed.action === "go-back") {
      return this.toCheck(signed, device, catalogue, answer.checkAgainS);
    }
    const { action, code, reason, version, checkAgainS } = answer;
    const isTake = action === "take";
    const objection = isTake ? await this.objectTo(answer, device, catalogue, policy) : null;
    if (objection === null) {
      return this.toCheck({ action, code, reason, version }, device, catalogue, checkAgainS);
    }
    return this.toCheck({ action: "none", ...objection, version }, device, catalogue, checkAgainS);
  }

  private async ask(device: KnownDevice): Promise<ServerAnswer> {
    const { connection, url, model } = this.settings;
    await this.reports.send();
    if (this.settings.shareUsage) await this.usage.send(device.deviceId);
    const address = `${url}/v1/models/${model}/check`;
    return parseAnswer(await postJson(connection, address, toRequest(device), MAX_ANSWER_BYTES));
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
    const kept = this.settings.applyDelta === null ? [] : (device.have ?? []);
    const delta = await findDelta(this.updater, signed.manifest, artifact, kept);
    const offer = { ...signed, artifact, files, delta };
    const downloadBytes = await countMissingBytes(this.settings, offer);
    return { action, code, reason, version, checkAgainS, downloadBytes, offer };
  }

  private async takeNow(check: Check, answer: Answer, options: TakeOptions): Promise<Update> {
    const { offer } = check;
    if (check.action === "go-back") await this.installed.change(installed.leaveAll);
    if (offer === null) return { check, model: null, selfTest: null, downloadedBytes: 0 };
    const downloadedBytes = await pullFiles(this.settings, offer, options);
    const entry = toEntry(offer);
    const model = await this.load(entry);
    if (model === null) {
      throw new StorageError(`the files of ${entry.version} did not stay in storage`);
    }
    const selfTest = await this.test(model, entry, answer);
    await this.installed.change((state) => installed.switchTo(state, entry));
    await removeUnneeded(this.settings);
    return { check, model, selfTest, downloadedBytes };
  }

  private async test(
    model: InstalledModel,
    entry: installed.Entry,
    answer: Answer,
  ): Promise<SelfTestReport> {
    const read = (path: string): Promise<Uint8Array> => model.read(path);
    const { manifest, artifact, version } = model;
    const report = await runSelfTest(manifest, artifact, read, answer, this.settings.now);
    if (!report.passed) {
      await this.refuse(entry, report);
      await removeUnneeded(this.settings);
      throw new SelfTestError(
        `${manifest.model} ${version} failed its self-test: ${describeSelfTest(report)}`,
      );
    }
    if (report.executed) {
      await this.report({ event: "self-test", passed: true, ...describe(entry), selfTest: report });
    }
    return report;
  }

  /** Notes that a version failed its self-test, so that it is not offered again, and tells so. */
  private async refuse(entry: installed.Entry, selfTest: SelfTestReport): Promise<void> {
    const { version, manifestSha256 } = entry;
    const appVersion = (await this.askDevice()).appVersion ?? "";
    const failed = { version, manifestSha256, appVersion, crashedAtMs: null, byUser: false };
    await this.installed.change((state) => installed.refuse(state, failed));
    await this.report({ event: "self-test", passed: false, ...describe(entry), selfTest });
  }

  /** Keeps a report, and sends it if the server can be reached. */
  private async report(happened: Happened): Promise<void> {
    if (!this.settings.askServer) return;
    await this.reports.add(await this.askDevice(), happened);
    await this.reports.send();
  }

  private async describeDevice(): Promise<KnownDevice> {
    const device = await this.askDevice();
    const state = await this.installed.load();
    const [first] = state.entries;
    const running = first && { version: first.version, manifestSha256: first.manifestSha256 };
    return {
      ...device,
      running,
      have: state.entries.map((entry) => entry.artifactSha256),
      refused: installed.listRefused(state, device.appVersion ?? "", this.settings.now()),
    };
  }

  private async askDevice(): Promise<Device> {
    const { device } = this.settings;
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
