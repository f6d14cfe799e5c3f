/** When the page looks for a newer model by itself. */

const LEAST_MS = 60_000;
const MOST_MS = 3_600_000;
/** Between the beginnings of two attempts, where a network came back. */
const LEAST_ONLINE_MS = 5_000;
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

/** Returns when an attempt follows a network's coming back: soon, though not twice in a moment. */
export function findNextOnlineMs(nowMs: number, lastBegunMs: number): number {
  return Math.max(nowMs, lastBegunMs + LEAST_ONLINE_MS);
}

/** Runs attempts when they are due, while somebody looks at the page and there is a network. */
export class Waiting {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private dueMs = Infinity;
  private begunMs = -Infinity;
  private isGoing = false;
  private hasFailed = false;
  /** Whether the network came back amid an attempt, which may have begun without one. */
  private cameBack = false;

  constructor(private readonly run: () => void) {
    addEventListener("online", () => this.cameOnline());
    document.addEventListener("visibilitychange", () => this.runIfDue());
  }

  /** An attempt begins, by this or by the user. */
  begin(): void {
    clearTimeout(this.timer);
    [this.dueMs, this.begunMs] = [Infinity, Date.now()];
    [this.isGoing, this.cameBack] = [true, false];
  }

  /** The attempt ended. */
  note(outcome: Outcome): void {
    this.isGoing = false;
    this.hasFailed = outcome.failures > 0;
    const isSoon = this.hasFailed && this.cameBack;
    this.waitUntil(isSoon ? this.findSoonMs() : findNextMs(outcome));
  }

  private cameOnline(): void {
    if (this.isGoing) this.cameBack = true;
    else if (this.hasFailed) this.waitUntil(Math.min(this.dueMs, this.findSoonMs()));
    else this.runIfDue();
  }

  private findSoonMs(): number {
    return findNextOnlineMs(Date.now(), this.begunMs);
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
