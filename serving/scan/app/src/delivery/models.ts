/** The model on this device: which one runs, and how a newer one comes. */

import { type ReadonlySignal, signal } from "@preact/signals";
import {
  type Check,
  type GhostlensClient,
  type InstalledModel,
  type Recognition,
  compareVersions,
} from "ghostlens";
import type { Problem } from "../problem.ts";
import type { Recogniser } from "../recognising/recogniser.ts";
import { recall, remember } from "../remembering.ts";
import { chosenModel, findChoice, keepChoice } from "./choosing.ts";
import { connect, openKept } from "./connecting.ts";
import type { Lent } from "./lending.ts";
import { storage } from "./place.ts";
import { type Progress, explain, explainNothing, mayPass } from "./problems.ts";
import { Bench, type Opened, checkBrowser, isOfDevice, openProven } from "./trying.ts";
import { Waiting } from "./waiting.ts";

/** What is in use. */
export interface Running {
  readonly model: InstalledModel;
  readonly recogniser: Recogniser;
  /** The version that can be gone back to; null where there is none. */
  readonly former: string | null;
  /** The newer version that the user left, and that is only taken again when they ask. */
  readonly left: string | null;
}

/** What is going on beside it. */
export type Activity =
  | { readonly kind: "idle" }
  | { readonly kind: "starting" }
  | { readonly kind: "checking" }
  | { readonly kind: "downloading"; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: "testing" };

/** What the last check that went through found. */
export interface Checked {
  readonly at: Date;
  /** As in "up-to-date"; see the client's `Check`. Empty after a visit: only when is remembered. */
  readonly code: string;
  readonly version: string | null;
}

const IDLE: Activity = { kind: "idle" };
const CHECKED = "ghostlens.checked";
const HAD = "ghostlens.had";
const runningState = signal<(Running & { readonly recogniser: Lent }) | null>(null);
const activityState = signal<Activity>(IDLE);
const problemState = signal<Problem | null>(null);
const checkedState = signal<Checked | null>(readChecked());

/** Null while there is no model to scan with. */
export const running: ReadonlySignal<Running | null> = runningState;
export const activity: ReadonlySignal<Activity> = activityState;
/** Why the last start, check or download did not go through; null where it did. */
export const problem: ReadonlySignal<Problem | null> = problemState;
export const checked: ReadonlySignal<Checked | null> = checkedState;

let last: Promise<unknown> = Promise.resolve();
let updating: Promise<void> | null = null;
let stop: AbortController | null = null;
let failures = 0;
let waiting: Waiting | null = null;
let otherTabs: BroadcastChannel | null = null;
/** Of a version that was left because it failed to start; told until another one runs. */
let crash: Problem | null = null;

/** Starts the kept model, if there is one, and looks for a newer one; then again when it is due. */
export async function startModel(): Promise<void> {
  waiting = new Waiting(() => void updateModel());
  if ("BroadcastChannel" in globalThis) {
    otherTabs = new BroadcastChannel("ghostlens-model");
    otherTabs.onmessage = () => void inTurn(startKept);
  }
  await inTurn(startKept);
  await updateModel();
}

/**
 * Looks for a newer model, and takes it where the server offers one.
 *
 * @param again takes a version that the user left, too.
 */
export function updateModel(again = false): Promise<void> {
  if (updating !== null && !again) return updating;
  const turn = inTurn(() => update(again)).finally(() => {
    if (updating === turn) updating = null;
  });
  updating = turn;
  return turn;
}

/** Stops a download; what came is kept. */
export function stopUpdate(): void {
  stop?.abort();
}

/** Runs the former version from now on; the one left is not taken again by itself. */
export function goBack(): Promise<void> {
  return inTurn(() =>
    telling(async () => {
      const client = await openKept(chosenModel.value);
      if (client === null || !(await client.goBack())) return;
      crash = problemState.value = null;
      await start(client, null);
      otherTabs?.postMessage("changed");
    }),
  );
}

/** Runs another of the server's models from now on. */
export async function chooseModel(model: string): Promise<void> {
  stop?.abort();
  await inTurn(async () => {
    keepChoice(model);
    show(null, null);
    await startKept();
  });
  await updateModel();
}

/** Counts a scan for the sums that the server is told, where the user shares them. */
export async function noteScan(found: Recognition, sent: boolean): Promise<void> {
  const version = runningState.value?.model.version;
  if (version === undefined) return;
  try {
    await (await openKept(chosenModel.value))?.countScan(version, found, sent);
  } catch (error) {
    console.warn("a scan was not counted:", error);
  }
}

/** Everything that changes what runs happens one after the other. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = last.then(work);
  last = turn.catch(() => undefined);
  return turn;
}

/** Does a piece of work, and tells of what it throws. */
async function telling(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    problemState.value = explain(error, null);
  }
}

async function startKept(): Promise<void> {
  if (chosenModel.value === "") return;
  activityState.value = { kind: "starting" };
  await telling(async () => {
    const client = await openKept(chosenModel.value);
    if (client !== null) await start(client, null);
    const had = recall(HAD) === chosenModel.value;
    if (had && runningState.value === null && problemState.value === null) {
      problemState.value = { word: "model.problem.evicted", detail: "storage holds no version" };
    }
  });
  activityState.value = IDLE;
}

async function update(again: boolean): Promise<void> {
  activityState.value = { kind: "checking" };
  waiting?.begin();
  stop = new AbortController();
  const { signal } = stop;
  let progress: Progress | null = null;
  const bench = new Bench(() => (activityState.value = { kind: "testing" }));
  const onProgress = (doneBytes: number, totalBytes: number): void => {
    progress = { doneBytes, totalBytes };
    activityState.value = { kind: "downloading", ...progress };
  };
  try {
    checkBrowser();
    const client = await connect(await findChoice());
    if (again) await client.allowAgain();
    const { check, model } = await client.update(bench.answer, { signal, onProgress });
    progress = null;
    problemState.value = crash;
    noteCheck(check);
    if (model !== null) await switchTo(client, bench);
    else await follow(client, check);
    noteOutcome(null, check.checkAgainS);
  } catch (error) {
    if (!signal.aborted) tellOf(explain(error, progress));
    noteOutcome(signal.aborted ? null : error, null);
  } finally {
    bench.close();
    stop = null;
    activityState.value = IDLE;
  }
}

/** Tells of a problem; that there is no network says less than why that is in the way now. */
function tellOf(found: Problem): void {
  const before = problemState.value?.word;
  const isMissing = before === "model.problem.evicted" || before === "model.problem.runtime";
  if (isMissing && found.word === "model.problem.offline") return;
  problemState.value = found;
}

/** Does what a check says that brought no version. */
async function follow(client: GhostlensClient, check: Check): Promise<void> {
  if (check.action === "go-back") {
    show(null, null);
    problemState.value = { word: "model.problem.withdrawn", detail: check.reason };
    return;
  }
  if (runningState.value === null) await start(client, null);
  if (runningState.value === null) problemState.value = explainNothing(check.code, check.reason);
}

/** Runs the version that was taken, at once, and lets other tabs do so too. */
async function switchTo(client: GhostlensClient, bench: Bench): Promise<void> {
  crash = problemState.value = null;
  await start(client, bench.take());
  remember(HAD, chosenModel.value);
  otherTabs?.postMessage("changed");
  // Now there is something that is worth keeping; some browsers ask the user.
  void navigator.storage?.persist?.().catch(() => false);
}

/**
 * Counts a start, and runs the model of it; one that fails to start is left for the one before.
 *
 * @param tested what the self-test of the version opened; it is closed where it is not used.
 */
async function start(client: GhostlensClient, tested: Opened | null): Promise<void> {
  try {
    // One tab after the other: several that open at once must not look like starts that failed.
    await storage.exclusively("start", () => startInTurn(client, tested));
  } finally {
    if (tested?.recogniser !== runningState.value?.recogniser) tested?.recogniser.retire();
  }
}

async function startInTurn(client: GhostlensClient, tested: Opened | null): Promise<void> {
  let failed: { readonly version: string; readonly error: unknown } | null = null;
  for (;;) {
    const model = await client.start();
    if (failed !== null && failed.version !== model?.version) tellOfCrash(failed);
    if (model === null) return show(null, null);
    try {
      const { recogniser } = findOpened(model, tested) ?? (await openProven(model));
      await client.confirmStart();
      const { former, left } = await client.versions();
      const newer = left.filter((version) => compareVersions(version, model.version) > 0);
      return show({ model, recogniser, former, left: newer.at(-1) ?? null }, recogniser);
    } catch (error) {
      if (isOfDevice(error)) {
        await client.cancelStart();
        throw error;
      }
      failed = { version: model.version, error };
    }
  }
}

/** Returns what is open already of a version: by its self-test, or because it runs. */
function findOpened(model: InstalledModel, tested: Opened | null): { recogniser: Lent } | null {
  const isOf = (version: string | undefined, sha256: string | undefined): boolean =>
    version === model.version && sha256 === model.artifact.sha256;
  if (isOf(tested?.version, tested?.sha256)) return tested;
  const now = runningState.value;
  if (now === null || now.recogniser.hasCrashed) return null;
  return isOf(now.model.version, now.model.artifact.sha256) ? now : null;
}

/** Puts a version in use; the recogniser of the one before is closed after its last answer. */
function show(next: Running | null, recogniser: Lent | null): void {
  const before = runningState.value?.recogniser;
  if (recogniser !== null) recogniser.onCrash = () => void inTurn(startKept);
  runningState.value = next && recogniser && { ...next, recogniser };
  if (before !== undefined && before !== recogniser) before.retire();
}

function tellOfCrash({ version, error }: { version: string; error: unknown }): void {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  crash = problemState.value = { word: "model.problem.crashed", values: { version }, detail };
}

function noteCheck({ code, version }: Check): void {
  const at = new Date();
  checkedState.value = { at, code, version };
  remember(CHECKED, at.toISOString());
}

function readChecked(): Checked | null {
  const at = new Date(recall(CHECKED) ?? NaN);
  return Number.isNaN(at.getTime()) ? null : { at, code: "", version: null };
}

function noteOutcome(error: unknown, checkAgainS: number | null): void {
  failures = mayPass(error) ? failures + 1 : 0;
  waiting?.note({ atMs: Date.now(), failures, checkAgainS });
}
