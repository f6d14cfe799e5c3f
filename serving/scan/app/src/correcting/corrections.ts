/** The corrections of this device: kept at once, sent when there is a network. */

import { effect, signal } from "@preact/signals";
import { toHex } from "ghostlens";
import { deviceId, makeUuid } from "../device.ts";
import { KeepingError, keepFact, openKept, readFact, StorageFullError } from "../kept.ts";
import type { Problem } from "../problem.ts";
import type { Scan } from "../scan.ts";
import { apiKey, ask } from "../server.ts";
import { site } from "../site.ts";
import { describe, writeBody } from "./document.ts";
import { type Correction, Queue, type Right, type Stopped } from "./queue.ts";

/** For so long a correction can be taken back before it is sent. */
const GRACE_MS = 8_000;
const MOST_RECENT = 12;

/** Those that wait or were refused, the oldest first. */
export const corrections = signal<readonly Correction[]>([]);
/** Why those that wait do so; null where nothing holds them up. */
export const held = signal<Stopped>(null);
/** The one made last, while it can be taken back. */
export const latest = signal<Correction | null>(null);
/** Why the last one was not kept; null where it was. */
export const correctionProblem = signal<Problem | null>(null);

const queue = new Queue(
  {
    get: async (id) => (await openKept()).get("corrections", id),
    list: async () => (await openKept()).list("corrections"),
    change: async (id, change) => (await openKept()).change("corrections", id, change),
  },
  async (correction) => {
    const path = `/v1/models/${encodeURIComponent(correction.model)}/corrections`;
    await ask(path, { method: "POST", ...writeBody(correction) });
  },
);
let timer: ReturnType<typeof setTimeout> | undefined;

/** Sends what waits, from now on whenever there is a chance that it goes through. */
export function startCorrections(): void {
  addEventListener("online", () => {
    // A round that is going on may have begun without a network: its next one comes soon then.
    queue.forgetFailures();
    void sendNow();
  });
  document.addEventListener("visibilitychange", () => void (document.hidden ? leave() : sendNow()));
  // Another key may be allowed to; this also sends at the start.
  effect(() => {
    void apiKey.value;
    void sendNow();
  });
}

/**
 * Keeps a correction, and sends it as soon as it cannot be taken back any more.
 *
 * One of the same scan that was not sent yet is replaced.
 *
 * @param withPhoto whether the user wants the photo to be sent.
 * @returns whether it is kept; if not, `correctionProblem` says why.
 */
export async function correct(scan: Scan, right: Right, withPhoto: boolean): Promise<boolean> {
  const id = makeUuid();
  const photoSha256 = scan.photo === null ? null : await hash(scan.photo);
  const sender = { id, deviceId: deviceId(), site: site.value, photoSha256 };
  const correction: Correction = {
    id,
    model: scan.model,
    document: describe(scan, right, sender),
    photo: withPhoto ? scan.photo : null,
    sendFromMs: Date.now() + GRACE_MS,
    refused: null,
  };
  const isKept = await keep(correction);
  if (isKept && right.kind === "label") await noteRecent(scan.model, right.name);
  return isKept;
}

/** Takes one back that was not sent, or deletes one that was refused. */
export async function takeBack(id: string): Promise<void> {
  await queue.remove(id);
  if (latest.value?.id === id) latest.value = null;
  await refresh();
}

/** Sends one again that was refused. */
export async function tryAgain(id: string): Promise<void> {
  await queue.retry(id);
  await sendNow();
}

/** Returns the labels that were chosen lately, the last one first. */
export function readRecent(model: string): Promise<readonly string[]> {
  return readFact<readonly string[]>(recentId(model), []);
}

async function keep(correction: Correction): Promise<boolean> {
  try {
    const { scanned_at: at } = correction.document;
    for (const other of await queue.list()) {
      if (other.model === correction.model && other.document["scanned_at"] === at) {
        await queue.remove(other.id);
      }
    }
    await queue.add(correction).catch((error: unknown) => {
      if (!(error instanceof KeepingError) || correction.photo === null) throw error;
      // No space for a photo, or a browser that stores none: what was said is worth more.
      console.warn("the photo is left out:", error);
      return queue.add({ ...correction, photo: null });
    });
    [latest.value, correctionProblem.value] = [correction, null];
    await sendNow();
    return true;
  } catch (error) {
    const word = error instanceof StorageFullError ? "correct.full" : "correct.not-kept";
    correctionProblem.value = { word, detail: String(error) };
    return false;
  }
}

/** The page may not come back for days: what was said is not held back for taking it back. */
async function leave(): Promise<void> {
  await queue.releaseAll().catch((error: unknown) => console.warn(error));
  await sendNow();
}

async function sendNow(): Promise<void> {
  clearTimeout(timer);
  try {
    await refresh();
    const { stopped, againS } = await queue.sendAll();
    held.value = stopped;
    if (againS !== null) timer = setTimeout(() => void sendNow(), againS * 1000);
    await refresh();
  } catch (error) {
    console.warn("corrections cannot be read:", error);
  }
}

async function refresh(): Promise<void> {
  corrections.value = await queue.list();
  const now = Date.now();
  const isWaiting = ({ id, sendFromMs }: Correction): boolean =>
    id === latest.value?.id && sendFromMs > now;
  if (!corrections.value.some(isWaiting)) latest.value = null;
}

async function noteRecent(model: string, label: string): Promise<void> {
  const others = (await readRecent(model)).filter((other) => other !== label);
  await keepFact(recentId(model), [label, ...others].slice(0, MOST_RECENT));
}

function recentId(model: string): string {
  return `recent-labels:${model}`;
}

/** Returns the SHA-256 in hexadecimal digits; null on pages without TLS, which have no WebCrypto. */
async function hash(photo: Blob): Promise<string | null> {
  if ((crypto.subtle as SubtleCrypto | undefined) === undefined) return null;
  const digest = await crypto.subtle.digest("SHA-256", await photo.arrayBuffer());
  return toHex(new Uint8Array(digest));
}
