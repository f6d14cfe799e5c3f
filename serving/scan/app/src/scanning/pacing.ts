/** When the server may be asked: seldom, and not where it just said no. */

import type { Verdict } from "ghostlens";

/** Milliseconds between two questions that the page asks by itself. */
export const LEAST_MS = 4000;
/** Waited after a refusal that does not say how long, and where there is no network. */
export const REFUSED_MS = 30_000;
export const OFFLINE_MS = 15_000;
/** An answer must stand for so many frames before the server is asked by itself. */
export const SETTLED_FRAMES = 10;

/**
 * Returns whether an answer is worth asking the server.
 *
 * Where the device is unsure, or sure of the kind alone, a wider network may know more. What is no
 * known item is none to the server either: it learnt from the same photos (docs/adr/0006).
 */
export function isWorthAsking(verdict: Verdict): boolean {
  return verdict === "unsure" || verdict === "coarse";
}

/** Says when the next question may be asked. Times are in milliseconds of any one clock. */
export class Pace {
  private notBefore = -Infinity;

  /** @param byHand the user wants it: only what the server said counts, not the usual pause. */
  mayAsk(now: number, byHand = false): boolean {
    return now >= (byHand ? this.refusedUntil : Math.max(this.notBefore, this.refusedUntil));
  }

  /** Milliseconds until a question by hand may be asked; infinite while the key is refused. */
  waitFor(now: number): number {
    return Math.max(0, this.refusedUntil - now);
  }

  private refusedUntil = -Infinity;

  noteAsked(now: number): void {
    this.notBefore = now + LEAST_MS;
  }

  /** @param status the HTTP status; @param retryAfterS what `Retry-After` said. */
  noteRefused(now: number, status: number, retryAfterS: number | null): void {
    // Another try with the same key gets the same answer.
    if (status === 401 || status === 403) this.refusedUntil = Infinity;
    else if (status === 429 || status === 503) {
      this.refusedUntil = now + (retryAfterS === null ? REFUSED_MS : 1000 * retryAfterS);
    } else this.notBefore = now + REFUSED_MS;
  }

  noteOffline(now: number): void {
    this.notBefore = now + OFFLINE_MS;
  }

  /** Forgets all refusals: another key, or the network is back. */
  reset(): void {
    [this.notBefore, this.refusedUntil] = [-Infinity, -Infinity];
  }
}
