/** How many scans an app did: kept as sums, and told with the next check, where it shares them. */

import { type Verdict } from "./contract.js";
import { type Connection, postJson } from "./http.js";
import type { Recognition } from "./judge.js";
import { isRefused, makeUuid } from "./reports.js";
import type { Storage } from "./storage/storage.js";

const MAX_ANSWER_BYTES = 1 << 16;
/** The server takes 62 entries, and days of the last 30; what is older tells it nothing. */
const MOST_ENTRIES = 60;
const MOST_LABELS = 1000;
const MOST_DAYS = 29;
const DAY_MS = 24 * 3600 * 1000;
const MOST_WAITING = 10;

/** Bins of the first answer's probability, each with its lower edge; the server has the same. */
export const CONFIDENCE_EDGES: readonly number[] = [
  0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98,
  0.99, 0.995, 1,
];

/** The scans of one day (UTC) with one version. */
interface DayOfScans {
  readonly version: string;
  readonly day: string;
  readonly verdicts: Partial<Record<Verdict, number>>;
  readonly labels: Record<string, number>;
  readonly confidences: number[];
  sent: number;
}

/** The sums of one model's scans. No photo is kept, nor the time of day. */
export class Usage {
  constructor(
    private readonly storage: Storage,
    private readonly connection: Connection,
    private readonly url: string,
    private readonly model: string,
    private readonly now: () => number,
  ) {}

  /** Counts a scan. `sent` says whether the photo was sent to the server as well. */
  note(version: string, found: Recognition, sent: boolean): Promise<void> {
    return this.exclusively(async () => {
      const days = await this.read(this.countsName);
      const day = findDay(days, version, toDay(this.now()));
      const first = found.answers[0];
      if (first === undefined) return;
      Object.setPrototypeOf(day.labels, null); // a label may be called like a property
      const isNew = !Object.hasOwn(day.labels, first.label);
      if (isNew && Object.keys(day.labels).length >= MOST_LABELS) return;
      day.verdicts[found.verdict] = (day.verdicts[found.verdict] ?? 0) + 1;
      day.labels[first.label] = (isNew ? 0 : (day.labels[first.label] ?? 0)) + 1;
      const bin = findBin(first.probability);
      day.confidences[bin] = (day.confidences[bin] ?? 0) + 1;
      day.sent += sent ? 1 : 0;
      await this.write(this.countsName, days.slice(-MOST_ENTRIES));
    });
  }

  /**
   * Sends what was counted and returns how many reports were taken.
   *
   * What was not waits under the same id, so that it counts once. One that the server refuses for
   * good is dropped, and all are of a device without an id.
   */
  async send(deviceId: string | undefined): Promise<number> {
    return this.exclusively(async () => {
      await this.setAside();
      let sent = 0;
      for (const name of await this.list()) {
        const first = toDay(this.now() - MOST_DAYS * DAY_MS);
        const days = (await this.read(name)).filter(({ day }) => day >= first);
        if (deviceId && days.length > 0) {
          const id = name.slice(this.waiting.length, -".json".length);
          const report = { report_id: id, device_id: deviceId, days };
          const url = `${this.url}/v1/models/${this.model}/usage`;
          try {
            await postJson(this.connection, url, report, MAX_ANSWER_BYTES);
            sent += 1;
          } catch (error) {
            if (!isRefused(error)) return sent;
          }
        }
        await this.storage.remove(name);
      }
      return sent;
    });
  }

  /** Gives what was counted an id before anything is sent, so that no crash counts it twice. */
  private async setAside(): Promise<void> {
    const days = await this.read(this.countsName);
    if (days.length > 0) {
      await this.storage.remove(this.countsName);
      await this.write(`${this.waiting}${makeUuid()}.json`, days);
    }
    const all = await this.list();
    for (const name of all.slice(0, Math.max(0, all.length - MOST_WAITING))) {
      await this.storage.remove(name);
    }
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.storage.exclusively(`usage-${this.model}`, work);
  }

  private async list(): Promise<string[]> {
    return (await this.storage.list(this.waiting)).sort();
  }

  private async read(name: string): Promise<DayOfScans[]> {
    const data = await this.storage.read(name);
    if (data === null) return [];
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(data));
      return Array.isArray(value) ? (value as DayOfScans[]) : [];
    } catch {
      return []; // damaged
    }
  }

  private async write(name: string, days: readonly DayOfScans[]): Promise<void> {
    await this.storage.write(name, new TextEncoder().encode(JSON.stringify(days)));
  }

  private get countsName(): string {
    return `usage/${this.model}/counts.json`;
  }

  private get waiting(): string {
    return `usage/${this.model}/waiting/`;
  }
}

function findDay(days: DayOfScans[], version: string, day: string): DayOfScans {
  const known = days.find((entry) => entry.version === version && entry.day === day);
  if (known !== undefined) return known;
  const confidences = new Array<number>(CONFIDENCE_EDGES.length - 1).fill(0);
  const made: DayOfScans = { version, day, verdicts: {}, labels: {}, confidences, sent: 0 };
  days.push(made);
  return made;
}

function findBin(probability: number): number {
  const above = CONFIDENCE_EDGES.findIndex((edge) => edge > probability);
  return above === -1 ? CONFIDENCE_EDGES.length - 2 : Math.max(0, above - 1);
}

function toDay(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
