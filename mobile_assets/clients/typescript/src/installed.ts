/** What is in use, what was before, and which version failed here: one small stored file. */

import { ManifestError } from "./errors.js";
import { Lists, MAX_MANIFEST_BYTES, Patterns } from "./contract.js";
import { type JsonNode, checkSchema, readJson } from "./reading.js";
import type { Storage } from "./storage/storage.js";
import type { Runtime } from "./variants.js";

const SCHEMA = "ghostlens.installed/1";
const MAX_STATE_BYTES = 1 << 20;
/** The one in use and the one before it. */
const MAX_ENTRIES = 2;
const MAX_REFUSED = 100;
/** After so many starts that nobody confirmed, a version has failed. */
export const MAX_UNCONFIRMED_STARTS = 2;
/**
 * An app that is killed while it starts, by its user or an empty battery, looks like a version that
 * crashes. After a week such a version may be tried once more: at the worst it costs two starts.
 */
export const CRASH_REFUSED_MS = 7 * 86_400_000;

/** A version that was verified, tested and switched to. */
export interface Entry {
  readonly version: string;
  readonly manifestSha256: string;
  readonly manifestBytes: number;
  /** Path and hash of the model file. */
  readonly artifact: string;
  readonly artifactSha256: string;
  readonly runtime: Runtime;
  /** It started once, to the end. */
  readonly confirmed: boolean;
  /** Since the last that was confirmed. */
  readonly unconfirmedStarts: number;
}

/** A version that failed on this device, or that its user left. */
export interface Refused {
  readonly version: string;
  readonly manifestSha256: string;
  /** Of the app whose self-test it failed, as the next app may do better. */
  readonly appVersion: string;
  /** When it failed to start, in milliseconds since 1970; null where that is not why. */
  readonly crashedAtMs: number | null;
  /** Its user went back to the version before. */
  readonly byUser: boolean;
}

/** The state of one model: the entry in use first; empty for what the app was shipped with. */
export interface Installed {
  readonly entries: readonly Entry[];
  readonly refused: readonly Refused[];
}

const NOTHING: Installed = { entries: [], refused: [] };

/** Puts an entry in use; the one before is the one to go back to, if it ever started. */
export function switchTo(state: Installed, entry: Entry): Installed {
  const others = state.entries.filter((other) => !isSame(other, entry));
  const before = others.find((other) => other.confirmed) ?? others[0];
  const entries = before === undefined ? [entry] : [entry, before];
  return { ...state, entries: entries.slice(0, MAX_ENTRIES) };
}

/** Counts a start of the entry in use, unless it failed already. */
export function countStart(state: Installed): Installed {
  const [first, ...rest] = state.entries;
  if (first === undefined || hasFailedToStart(first)) return state;
  const started = { ...first, unconfirmedStarts: first.unconfirmedStarts + 1 };
  return { ...state, entries: [started, ...rest] };
}

/** Takes back the last start that was counted. */
export function uncountStart(state: Installed): Installed {
  const [first, ...rest] = state.entries;
  if (first === undefined || first.unconfirmedStarts === 0) return state;
  const uncounted = { ...first, unconfirmedStarts: first.unconfirmedStarts - 1 };
  return { ...state, entries: [uncounted, ...rest] };
}

/** Notes that the entry in use started to the end. */
export function confirm(state: Installed): Installed {
  const [first, ...rest] = state.entries;
  if (first === undefined) return state;
  return { ...state, entries: [{ ...first, confirmed: true, unconfirmedStarts: 0 }, ...rest] };
}

/**
 * Leaves an entry, if it is in use, for the one before or for what the app was shipped with.
 *
 * One that failed to start is refused for a while, in the same step: the app may die any time.
 */
export function leave(state: Installed, left: Entry, nowMs: number): Installed {
  const [first, ...rest] = state.entries;
  if (first === undefined || !isSame(first, left)) return state;
  const after = { ...state, entries: rest.map((entry) => ({ ...entry, unconfirmedStarts: 0 })) };
  if (!hasFailedToStart(left)) return after;
  const { version, manifestSha256 } = left;
  const failed = { version, manifestSha256, appVersion: "", crashedAtMs: nowMs, byUser: false };
  return refuse(after, failed);
}

/** Leaves an entry, if it is in use, as its user wants; it is refused until `allowLeft`. */
export function leaveByUser(state: Installed, left: Entry): Installed {
  const after = leave(state, { ...left, unconfirmedStarts: 0 }, 0);
  if (after === state) return state;
  const { version, manifestSha256 } = left;
  return refuse(after, { version, manifestSha256, appVersion: "", crashedAtMs: null, byUser: true });
}

/** Forgets which versions the user left, so that they may be offered again. */
export function allowLeft(state: Installed): Installed {
  const refused = state.refused.filter(({ byUser }) => !byUser);
  return refused.length === state.refused.length ? state : { ...state, refused };
}

/** Returns the versions that the user left. */
export function listLeft(state: Installed): string[] {
  return state.refused.filter(({ byUser }) => byUser).map(({ version }) => version);
}

/** Notes that a version is refused here; the latest time of a crash counts. */
export function refuse(state: Installed, failed: Refused): Installed {
  const isOther = (other: Refused): boolean =>
    other.version !== failed.version ||
    other.appVersion !== failed.appVersion ||
    other.byUser !== failed.byUser ||
    (other.crashedAtMs === null) !== (failed.crashedAtMs === null);
  return { ...state, refused: [...state.refused.filter(isOther), failed].slice(-MAX_REFUSED) };
}

/** Returns the versions that an app shall not be offered now. */
export function listRefused(state: Installed, appVersion: string, nowMs: number): string[] {
  const held = state.refused.filter(({ appVersion: failed, crashedAtMs, byUser }) => {
    if (byUser) return true;
    if (crashedAtMs === null) return failed === appVersion;
    // One from the future does not hold either: then the clock was wrong.
    return crashedAtMs <= nowMs && nowMs - crashedAtMs < CRASH_REFUSED_MS;
  });
  return [...new Set(held.map(({ version }) => version))];
}

/** Leaves everything for what the app was shipped with. */
export function leaveAll(state: Installed): Installed {
  return { ...state, entries: [] };
}

/** Returns whether the entry in use was started often enough without a confirmation. */
export function hasFailedToStart(entry: Entry): boolean {
  return entry.unconfirmedStarts >= MAX_UNCONFIRMED_STARTS;
}

/** The stored state of a model; changes are made one after the other, in all tabs. */
export class InstalledStore {
  constructor(
    private readonly storage: Storage,
    private readonly model: string,
  ) {}

  /** Loads the state. A damaged one counts as nothing: what was shipped still runs. */
  async load(): Promise<Installed> {
    const data = await this.storage.read(nameOf(this.model));
    if (data === null) return NOTHING;
    try {
      return parse(data);
    } catch (error) {
      if (error instanceof ManifestError) return NOTHING;
      throw error;
    }
  }

  /** Changes the state in one step, and returns the one before. */
  change(step: (state: Installed) => Installed): Promise<Installed> {
    return this.storage.exclusively("state", async () => {
      const before = await this.load();
      const after = step(before);
      if (after !== before) {
        const text = JSON.stringify({ schema: SCHEMA, ...after });
        await this.storage.write(nameOf(this.model), new TextEncoder().encode(text));
      }
      return before;
    });
  }
}

/** Returns the entries of all models in a storage. */
export async function listAllEntries(storage: Storage): Promise<Entry[]> {
  const names = await storage.list("models/");
  const models = names.map((name) => new InstalledStore(storage, name.split("/")[1] ?? ""));
  const states = await Promise.all(models.map((model) => model.load()));
  return states.flatMap((state) => state.entries);
}

function isSame(left: Entry, right: Entry): boolean {
  return left.version === right.version && left.manifestSha256 === right.manifestSha256;
}

function nameOf(model: string): string {
  return `models/${model}/installed.json`;
}

function parse(data: Uint8Array): Installed {
  const root = readJson(data, "installed.json", MAX_STATE_BYTES);
  checkSchema(root, SCHEMA);
  return {
    entries: root.get("entries").items(0, MAX_ENTRIES).map(readEntry),
    refused: root
      .get("refused")
      .items(0, MAX_REFUSED)
      .map((node) => ({
        version: node.get("version").matching(Patterns.modelVersion),
        manifestSha256: node.get("manifestSha256").matching(Patterns.sha256),
        appVersion: node.get("appVersion").anyText(),
        crashedAtMs: node.find("crashedAtMs")?.whole() ?? null,
        byUser: node.find("byUser")?.flag() ?? false,
      })),
  };
}

function readEntry(node: JsonNode): Entry {
  return {
    version: node.get("version").matching(Patterns.modelVersion),
    manifestSha256: node.get("manifestSha256").matching(Patterns.sha256),
    manifestBytes: node.get("manifestBytes").whole(0, MAX_MANIFEST_BYTES),
    artifact: node.get("artifact").text(),
    artifactSha256: node.get("artifactSha256").matching(Patterns.sha256),
    runtime: node.get("runtime").oneOf(Lists.runtimes),
    confirmed: node.get("confirmed").flag(),
    unconfirmedStarts: node.get("unconfirmedStarts").whole(),
  };
}
