/** Reports to the server: kept until they are sent, so that a crash without a network is told. */

import type { Device } from "./device.js";
import { NetworkError } from "./errors.js";
import { type Connection, postJson } from "./http.js";
import type { Artifact } from "./manifest.js";
import type { SelfTestReport } from "./selftest.js";
import type { Storage } from "./storage/storage.js";

const MAX_WAITING = 50;
const MAX_ANSWER_BYTES = 1 << 16;

/** What happened: the self-test was run, a start was confirmed, or starts failed. */
export type ReportEvent = "self-test" | "start" | "crash";

/** What a report is about. */
export interface Happened {
  readonly event: ReportEvent;
  readonly passed: boolean;
  readonly version: string;
  readonly artifact: Pick<Artifact, "sha256" | "runtime">;
  readonly selfTest?: SelfTestReport;
}

/** The reports of one model that wait to be sent. */
export class Reports {
  constructor(
    private readonly storage: Storage,
    private readonly connection: Connection,
    private readonly url: string,
    private readonly model: string,
  ) {}

  /**
   * Keeps a report after those that wait; of too many the oldest is dropped.
   *
   * A device without an id sends none, as the server counts devices.
   */
  async add(device: Device, happened: Happened): Promise<void> {
    if (!device.deviceId) return;
    const waiting = await this.list();
    for (const name of waiting.slice(0, Math.max(0, waiting.length + 1 - MAX_WAITING))) {
      await this.storage.remove(name);
    }
    // The latest that comes counts, so the order is kept, whatever the clock says.
    const last = waiting.at(-1)?.slice(this.prefix.length).split("-")[0] ?? "";
    const place = /^[0-9]{8}$/.test(last) ? Number(last) + 1 : 0;
    const id = makeUuid();
    const data = new TextEncoder().encode(JSON.stringify(toReport(id, device, happened)));
    await this.storage.write(`${this.prefix}${String(place).padStart(8, "0")}-${id}.json`, data);
  }

  /**
   * Sends what waits and returns how many reports were taken.
   *
   * One that the server refuses for good is dropped; others wait for the next time.
   */
  async send(): Promise<number> {
    let sent = 0;
    for (const name of await this.list()) {
      const data = await this.storage.read(name);
      if (data === null) continue;
      try {
        const value: unknown = JSON.parse(new TextDecoder().decode(data));
        const url = `${this.url}/v1/models/${this.model}/reports`;
        await postJson(this.connection, url, value, MAX_ANSWER_BYTES);
        sent += 1;
      } catch (error) {
        if (!isRefused(error)) return sent;
      }
      await this.storage.remove(name);
    }
    return sent;
  }

  private async list(): Promise<string[]> {
    return (await this.storage.list(this.prefix)).sort();
  }

  private get prefix(): string {
    return `reports/${this.model}/`;
  }
}

function toReport(id: string, device: Device, happened: Happened): Record<string, unknown> {
  const { selfTest, artifact } = happened;
  const runtime = device.runtimes?.find((entry) => entry.name === artifact.runtime);
  return {
    report_id: id,
    device_id: device.deviceId,
    version: happened.version,
    artifact_sha256: artifact.sha256,
    event: happened.event,
    passed: happened.passed,
    figures: selfTest && {
      photos: selfTest.photos.length,
      // An answer that is no number differs by all that a probability can.
      max_probability_difference: Math.min(1, selfTest.maxProbabilityDifference),
      duration_ms: selfTest.durationMs,
    },
    platform: device.platform,
    os_version: device.osVersion || undefined,
    app_version: device.appVersion || undefined,
    runtime: artifact.runtime,
    runtime_version: runtime?.version || undefined,
  };
}

/** Whether asking again would give the same answer; a file that is no JSON is dropped too. */
export function isRefused(error: unknown): boolean {
  if (error instanceof SyntaxError) return true;
  if (!(error instanceof NetworkError)) throw error;
  return error.status >= 400 && error.status < 500 && ![408, 429].includes(error.status);
}

/** A version-4 UUID; where there is no WebCrypto it only has to be different each time. */
export function makeUuid(): string {
  const crypto = globalThis.crypto as Crypto | undefined;
  if (crypto?.randomUUID !== undefined) return crypto.randomUUID();
  return "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) => {
    const random = Math.floor(Math.random() * 16);
    return digit === "8" ? ((random & 3) | 8).toString(16) : random.toString(16);
  });
}
