/** What an app gives to a client, and what follows of it. */

import { Patterns } from "./contract.js";
import { type Cryptography, webCryptography } from "./crypto.js";
import type { ApplyDelta } from "./deltas.js";
import type { Device } from "./device.js";
import { ConfigError } from "./errors.js";
import type { Connection } from "./http.js";
import { carryKey } from "./key.js";
import type { Storage } from "./storage/storage.js";

const TIMEOUT_MS = 30_000;
const RETRIES = 3;
const RETRY_DELAY_MS = 500;

/** What a client is made of. */
export interface ClientOptions {
  /** The server's address, as in "https://models.example.org". */
  readonly url: string;
  /** Where the files lie, where that is elsewhere, as at a CDN; "<url>/targets" when not given. */
  readonly targetsUrl?: string;
  /** The `root.json` that the app is shipped with: its bytes, its text, or the parsed object. */
  readonly trustedRoot: Uint8Array | string | object;
  readonly model: string;
  /** What the device is like; a function is asked each time, as networks change. */
  readonly device: Device | (() => Device | Promise<Device>);
  /** One storage for each server; several models may share it. */
  readonly storage: Storage;
  /** False where files lie on a plain file server: the signed policy decides alone. */
  readonly askServer?: boolean;
  /** True counts scans (`countScan`) and tells their sums with each check. */
  readonly shareUsage?: boolean;
  /** WebCrypto when not given; React Native needs one. */
  readonly cryptography?: Cryptography;
  readonly fetch?: typeof globalThis.fetch;
  /** What the server asks for, if anything; sent to `url` and nowhere else. */
  readonly apiKey?: string;
  /** Decodes zstd with a dictionary; without it, whole files are downloaded. */
  readonly applyDelta?: ApplyDelta;
  /** Longest wait for an answer, and between two pieces of it. */
  readonly timeoutMs?: number;
  /** How often a broken download is taken up again, and the wait before; doubled each time. */
  readonly retries?: number;
  readonly retryDelayMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** The options with what is usual for those not given. */
export interface Settings {
  readonly url: string;
  readonly targetsUrl: string;
  readonly trustedRoot: Uint8Array;
  readonly model: string;
  readonly device: ClientOptions["device"];
  readonly storage: Storage;
  readonly askServer: boolean;
  readonly shareUsage: boolean;
  readonly cryptography: Cryptography;
  readonly connection: Connection;
  readonly applyDelta: ApplyDelta | null;
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly now: () => number;
}

/** Checks options and fills in those not given. @throws ConfigError one is not allowed. */
export function resolveOptions(options: ClientOptions): Settings {
  const url = checkUrl(options.url);
  const { modelName } = Patterns;
  if (modelName.match(options.model) === null) {
    throw new ConfigError(
      `the model ${options.model}: allowed are ${modelName.maxChars} of ${modelName.allowed}`,
    );
  }
  const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  return {
    url,
    targetsUrl: checkUrl(options.targetsUrl ?? `${url}/targets`),
    trustedRoot: toBytes(options.trustedRoot),
    model: options.model,
    device: options.device,
    storage: options.storage,
    askServer: options.askServer ?? true,
    shareUsage: options.shareUsage ?? false,
    cryptography: options.cryptography ?? webCryptography(),
    connection: {
      fetch: options.apiKey === undefined ? fetch : carryKey(fetch, url, options.apiKey),
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    },
    applyDelta: options.applyDelta ?? null,
    retries: options.retries ?? RETRIES,
    retryDelayMs: options.retryDelayMs ?? RETRY_DELAY_MS,
    now: options.now ?? Date.now,
  };
}

function checkUrl(text: string): string {
  if (!/^https?:\/\/[^/]/.test(text)) {
    throw new ConfigError(`the address ${text}: allowed are http://... and https://...`);
  }
  return text.replace(/\/+$/, "");
}

function toBytes(root: Uint8Array | string | object): Uint8Array {
  if (root instanceof Uint8Array) return root;
  return new TextEncoder().encode(typeof root === "string" ? root : JSON.stringify(root));
}
