/** Corrections that wait for the server: each is sent until it is answered, and counts once. */

import { OfflineError, RefusedError } from "../server.ts";

/** What a picture shows in truth, as the API has it. */
export type Right =
  | { readonly kind: "label" | "other"; readonly name: string }
  | { readonly kind: "not-an-item" };

/** A correction on its way. */
export interface Correction {
  /** Its `correction_id`: the same at each attempt, so that it counts once. */
  readonly id: string;
  readonly model: string;
  /** The request's document; see docs/corrections.md. */
  readonly document: { readonly right: Right } & Record<string, unknown>;
  /** Null where none is to be sent. */
  readonly photo: Blob | null;
  /** Milliseconds since 1970. Until then it can be taken back, and is not sent. */
  readonly sendFromMs: number;
  /** Why the server will never take it; null while it may. */
  readonly refused: string | null;
}

/** Why something is left that may be sent; "failed" where the server broke on some of it. */
export type Stopped = "offline" | "busy" | "key" | "failed" | null;

/** Sends one: resolves when the server has it, else throws as `ask` of `server.ts` does. */
export type Send = (correction: Correction) => Promise<void>;

interface Store {
  get(id: string): Promise<Correction | undefined>;
  list(): Promise<Correction[]>;
  /** Changes one, in one step; undefined removes it. */
  change(
    id: string,
    change: (found: Correction | undefined) => Correction | undefined,
  ): Promise<void>;
}

/** What a round of sending did. */
export interface Round {
  readonly sent: number;
  readonly stopped: Stopped;
  /** When to try again, in seconds; null where nothing is left that could be sent. */
  readonly againS: number | null;
}

const FIRST_WAIT_S = 5;
const LONGEST_WAIT_S = 600;

/** Sends what is kept, in the order in which it was made. One round at a time. */
export class Queue {
  private failures = 0;
  private going: Promise<Round> | null = null;

  /** @param now the time in milliseconds since 1970. */
  constructor(
    private readonly store: Store,
    private readonly send: Send,
    private readonly now: () => number = Date.now,
  ) {}

  /** Keeps a correction; it is on disk when this returns. */
  async add(correction: Correction): Promise<void> {
    await this.store.change(correction.id, () => correction);
  }

  /** Takes one back, or deletes one that was refused. */
  async remove(id: string): Promise<void> {
    await this.store.change(id, () => undefined);
  }

  /** Lets the server decide once more about one that it refused. */
  async retry(id: string): Promise<void> {
    await this.store.change(id, (found) => found && { ...found, refused: null });
  }

  /** Lets all be sent that could still be taken back. */
  async releaseAll(): Promise<void> {
    const now = this.now();
    for (const { id } of (await this.list()).filter(({ sendFromMs }) => sendFromMs > now)) {
      await this.store.change(id, (found) => found && { ...found, sendFromMs: now });
    }
  }

  /** Returns all, the oldest first. */
  async list(): Promise<Correction[]> {
    const all = await this.store.list();
    return all.sort((a, b) => a.sendFromMs - b.sendFromMs);
  }

  /** What failed before says nothing any more, as of a network that is there again. */
  forgetFailures(): void {
    this.failures = 0;
  }

  /** Sends all that may be sent; a second call meanwhile waits for the first. */
  sendAll(): Promise<Round> {
    this.going ??= this.runRound().finally(() => (this.going = null));
    return this.going;
  }

  private async runRound(): Promise<Round> {
    const unsent = (await this.list()).filter(({ refused }) => refused === null);
    const due = unsent.filter(({ sendFromMs }) => sendFromMs <= this.now());
    let [sent, retryAfterS] = [0, 0];
    let stopped: Stopped = null;
    for (const { id } of due) {
      try {
        if (await this.sendOne(id)) sent += 1;
      } catch (error) {
        retryAfterS = Math.max(retryAfterS, (error as RefusedError).retryAfterS ?? 0);
        stopped = findReason(error);
        // One that makes the server fail must not hold up the others.
        if (stopped !== "failed") break;
      }
    }
    if (stopped !== null) return { sent, stopped, againS: this.countFailure(retryAfterS) };
    this.failures = 0;
    const later = unsent.filter((correction) => !due.includes(correction));
    const waitS = (Math.min(...later.map(({ sendFromMs }) => sendFromMs)) - this.now()) / 1000;
    return { sent, stopped, againS: later.length === 0 ? null : Math.max(0, waitS) };
  }

  /** Returns whether the server has it; false where it will never take it. */
  private async sendOne(id: string): Promise<boolean> {
    const correction = await this.store.get(id);
    if (correction === undefined) return false; // taken back meanwhile
    try {
      await this.send(correction);
    } catch (error) {
      if (!(error instanceof RefusedError) || !isForGood(error)) throw error;
      const isPhoto = error.status === 413 || error.kind === "photo";
      // Where its photo is what is wrong, what was said counts without it.
      const change =
        isPhoto && correction.photo !== null ? { photo: null } : { refused: error.message };
      await this.store.change(id, (found) => found && { ...found, ...change });
      return "photo" in change ? this.sendOne(id) : false;
    }
    await this.remove(id);
    return true;
  }

  /** Returns how long to wait: twice as long each time, and never less than the server says. */
  private countFailure(retryAfterS: number): number {
    const waitS = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.failures);
    this.failures += 1;
    return Math.max(waitS, retryAfterS);
  }
}

/** Whether the same request would be refused again; a key may come, and servers come back. */
function isForGood({ status }: RefusedError): boolean {
  return status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
}

/** Returns what holds up every correction; "failed" where it may be this one alone. */
function findReason(error: unknown): Stopped {
  if (error instanceof OfflineError) return "offline";
  if (!(error instanceof RefusedError)) throw error;
  if (error.status === 401 || error.status === 403) return "key";
  return [408, 429, 503].includes(error.status) ? "busy" : "failed";
}
