/** The server's answer where this device is unsure. */

import { effect } from "@preact/signals";
import type { Problem } from "../problem.ts";
import type { Scan } from "../scan.ts";
import { apiKey, OfflineError, RefusedError } from "../server.ts";
import { mayAsk } from "../settings/choices.ts";
import { askServer, CancelledError, SlowError } from "./asking.ts";
import { Pace } from "./pacing.ts";
import { asking } from "./state.ts";

const pace = new Pace();
let current: AbortController | null = null;
/** Pictures that were sent, for as long as they are shown. */
const sent = new WeakSet<Blob>();

// What was refused may be allowed with another key.
effect(() => {
  void apiKey.value;
  pace.reset();
});

/** Notes that there is a network again. */
export function noteOnline(): void {
  pace.reset();
}

/**
 * Returns whether the server may be asked now.
 *
 * @param byHand the user asks, not the page by itself.
 */
export function canAsk(byHand = false): boolean {
  return mayAsk.value && pace.mayAsk(performance.now(), byHand);
}

/**
 * Asks the server about a scan, where that is allowed and not too often.
 *
 * @param onAnswer gets the scan with the server's answer, unless it was cancelled meanwhile.
 * @returns whether it was sent.
 */
export function askAbout(scan: Scan, onAnswer: (scan: Scan) => void, byHand = false): boolean {
  const { model, version, photo } = scan;
  if (photo === null || !canAsk(byHand)) return false;
  cancelAsking();
  const mine = new AbortController();
  current = mine;
  asking.value = { kind: "busy" };
  pace.noteAsked(performance.now());
  sent.add(photo);
  void askServer(model, version, photo, mine.signal).then(
    (answer) => {
      if (current !== mine) return;
      [current, asking.value] = [null, { kind: "idle" }];
      onAnswer({ ...scan, ...answer });
    },
    (error: unknown) => {
      notePace(error);
      if (current !== mine) return;
      [current, asking.value] = [null, { kind: "failed", problem: describeFailure(error) }];
    },
  );
  return true;
}

/** Ends a question: the user went on. */
export function cancelAsking(): void {
  if (asking.value.kind === "idle") return;
  current?.abort();
  [current, asking.value] = [null, { kind: "idle" }];
}

/** Returns whether a scan's picture was sent to the server. */
export function isAsked({ photo }: Scan): boolean {
  return photo !== null && sent.has(photo);
}

function notePace(error: unknown): void {
  const now = performance.now();
  if (error instanceof RefusedError) pace.noteRefused(now, error.status, error.retryAfterS);
  else if (!(error instanceof CancelledError)) pace.noteOffline(now);
}

/** Says in plain words why the server did not answer. */
export function describeFailure(error: unknown): Problem {
  const detail = error instanceof Error ? error.message : String(error);
  if (error instanceof OfflineError) return { word: "scan.ask.offline", detail };
  if (error instanceof SlowError) return { word: "scan.ask.slow", detail };
  if (!(error instanceof RefusedError)) return { word: "scan.ask.failed", detail };
  const { status, retryAfterS } = error;
  if (status === 401 || status === 403) return { word: "scan.ask.key", detail };
  if (status === 413) return { word: "scan.ask.large", detail };
  if (status !== 429 && status !== 503) return { word: "scan.ask.failed", detail };
  if (retryAfterS !== null && retryAfterS > 3600) return { word: "scan.ask.later", detail };
  const values = { seconds: Math.ceil(retryAfterS ?? 30) };
  return { word: status === 429 ? "scan.ask.often" : "scan.ask.busy", values, detail };
}
