/** What a device says of itself. */

import { Lists, RUNTIMES_OF, STABLE } from "./contract.js";
import { ConfigError } from "./errors.js";
import type { Platform, Runtime } from "./variants.js";

/** A runtime that an app links; its version decides whether an ExecuTorch file runs. */
export interface RuntimeOfApp {
  readonly name: Runtime;
  readonly version?: string | undefined;
}

/** The version that a device runs. */
export interface Running {
  readonly version: string;
  readonly manifestSha256?: string | undefined;
}

/** A device, as an app describes it. What it does not say meets no condition about it. */
export interface Device {
  readonly platform: Platform;
  /** One to four numbers with dots between them, as in "17.4". */
  readonly osVersion?: string | undefined;
  /** A semantic version. */
  readonly appVersion?: string | undefined;
  /** Any text that stays the same for a device; without it no rollout includes the device. */
  readonly deviceId?: string | undefined;
  /** "stable" when not given. */
  readonly channel?: string | undefined;
  /** Best first; the platform's own when not given. */
  readonly runtimes?: readonly RuntimeOfApp[] | undefined;
  /** As in "int8"; the most faithful when not given. */
  readonly precision?: string | undefined;
  /**
   * Of the files that fit, the most faithful one of at most so many bytes is taken, and the smallest
   * where all are larger. No server is told.
   */
  readonly mostBytes?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly freeBytes?: number | undefined;
  readonly network?: "unmetered" | "metered" | undefined;
}

/** A device together with what the client knows of it. */
export interface KnownDevice extends Device {
  readonly running?: Running | undefined;
  /** SHA-256 of artifact files that are kept. */
  readonly have?: readonly string[] | undefined;
  /** Versions that failed their self-test, or to start, here. */
  readonly refused?: readonly string[] | undefined;
}

const MAX_ID_CHARS = 128;

/** Returns the channel that a device follows. */
export function channelOf(device: Device): string {
  return device.channel ?? STABLE;
}

/** Returns the runtimes of an app, best first. */
export function runtimesOf(device: Device): readonly RuntimeOfApp[] {
  const own = device.runtimes ?? [];
  if (own.length > 0) return own;
  const byPlatform: Readonly<Record<string, readonly Runtime[]>> = RUNTIMES_OF;
  return (byPlatform[device.platform] ?? []).map((name) => ({ name }));
}

/** Checks what an app says. @throws ConfigError a platform or runtime that there is not. */
export function checkDevice(device: Device): void {
  if (!Lists.platforms.includes(device.platform)) {
    throw new ConfigError(
      `platform ${String(device.platform)}: allowed are ${Lists.platforms.join(", ")}`,
    );
  }
  if ((device.deviceId?.length ?? 0) > MAX_ID_CHARS) {
    throw new ConfigError(`deviceId has ${device.deviceId?.length}: allowed are ${MAX_ID_CHARS}`);
  }
  for (const runtime of device.runtimes ?? []) {
    if (Lists.runtimes.includes(runtime.name)) continue;
    throw new ConfigError(
      `runtime ${String(runtime.name)}: allowed are ${Lists.runtimes.join(", ")}`,
    );
  }
}
