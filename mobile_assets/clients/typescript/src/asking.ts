/** The question to the server and its answer: `POST /v1/models/{model}/check`. */

import { type Action, Patterns } from "./contract.js";
import { type KnownDevice, type RuntimeOfApp, channelOf } from "./device.js";
import { readJson } from "./reading.js";

export const MAX_ANSWER_BYTES = 1 << 20;

/** What the server says. It may hold back what the signed policy allows, and never add to it. */
export interface ServerAnswer {
  readonly action: Action;
  readonly code: string;
  readonly reason: string;
  readonly version: string | null;
  readonly manifestSha256: string | null;
  /** When to ask again; null where the server does not say. */
  readonly checkAgainS: number | null;
}

/** Returns the body of the question. */
export function toRequest(device: KnownDevice): Record<string, unknown> {
  return {
    platform: device.platform,
    os_version: device.osVersion || undefined,
    app_version: device.appVersion || undefined,
    device_id: device.deviceId || undefined,
    channel: channelOf(device),
    runtimes: device.runtimes?.length ? device.runtimes.map(describe) : undefined,
    precision: device.precision,
    memory_bytes: toWhole(device.memoryBytes),
    free_bytes: toWhole(device.freeBytes),
    network: device.network,
    current: device.running && {
      version: device.running.version,
      manifest_sha256: device.running.manifestSha256,
    },
    have: device.have,
    refused: device.refused,
  };
}

function describe({ name, version }: RuntimeOfApp): unknown {
  return version ? { name, version } : name;
}

/** Browsers give estimates that are no whole numbers. */
function toWhole(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.floor(bytes);
}

/**
 * Reads the answer. Keys that are not known are left alone: the server may be newer than the app.
 *
 * @throws ManifestError it is malformed.
 */
export function parseAnswer(data: Uint8Array): ServerAnswer {
  const root = readJson(data, "the server's answer", MAX_ANSWER_BYTES);
  const version = root.find("version");
  return {
    action: root.get("action").oneOf(["none", "take", "go-back"]),
    code: root.find("code")?.anyText(64) ?? "",
    reason: root.get("reason").anyText(),
    version: version?.matching(Patterns.modelVersion) ?? null,
    manifestSha256: root.find("manifest")?.get("sha256").matching(Patterns.sha256) ?? null,
    checkAgainS: root.find("check_again_s")?.number(0, 2 ** 31) ?? null,
  };
}
