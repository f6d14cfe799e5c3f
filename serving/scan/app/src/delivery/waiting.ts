/** When the page looks for a newer model by itself. */

const LEAST_MS = 60_000;
const MOST_MS = 3_600_000;
/** Where the server does not say. */
const USUAL_MS = 4 * 3_600_000;
/** The longest that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** How the last attempt ended. */
export interface Outcome {
  readonly atMs: number;
  /** How many attempts in a row did not reach the server to the end. */
  readonly failures: number;
  /** When the server wants to be asked again, in seconds; null where it did not say. */
  readonly checkAgainS: number | null;
}

/** Returns when the next attempt is due, in milliseconds since 1970. */
export function findNextMs({ atMs, failures, checkAgainS }: Outcome): number {
  if (failures > 0) return atMs + Math.min(MOST_MS, LEAST_MS * 2 ** (failures - 1));
  return atMs + Math.max(LEAST_MS, checkAgainS === null ? USUAL_MS : checkAgainS * 1000);
}

/** Returns when an attempt follows a network's coming back: at most once a minute. */
export function findNextOnlineMs(nowMs: number, lastOnlineMs: number): number {
  return Math.max(nowMs, lastOnlineMs + LEAST_MS);
}

/** Runs attempts when they are due, while somebody looks at the page and there is a network. */
export class Waiting {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private dueMs = Infinity;
  private hasFailed = false;
  private lastOnlineMs = -Infinity;

  constructor(private readonly run: () => void) {
    addEventListener("online", () => this.cameOnline());
    document.addEventListener("visibilitychange", () => this.runIfDue());
  }

  note(outcome: Outcome): void {
    this.hasFailed = outcome.failures > 0;
    this.waitUntil(findNextMs(outcome));
  }

  private cameOnline(): void {
    if (!this.hasFailed) return this.runIfDue();
    const dueMs = findNextOnlineMs(Date.now(), this.lastOnlineMs);
    this.lastOnlineMs = dueMs;
    this.waitUntil(Math.min(this.dueMs, dueMs));
  }

  private waitUntil(dueMs: number): void {
    clearTimeout(this.timer);
    this.dueMs = dueMs;
    const waitMs = Math.min(LONGEST_MS, Math.max(0, dueMs - Date.now()));
    this.timer = setTimeout(() => this.runIfDue(), waitMs);
  }

  private runIfDue(): void {
    if (Date.now() < this.dueMs || document.hidden || !navigator.onLine) return;
    this.dueMs = Infinity;
    this.run();
  }
}
