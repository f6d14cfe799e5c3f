/** Downloads that go on where they broke off, and count only when their hash is the one signed. */

import { type Cryptography, sha256Hex } from "./crypto.js";
import { NetworkError, TrustError } from "./errors.js";
import { type Answer, type Connection, join, open } from "./http.js";
import type { Storage } from "./storage/storage.js";

/** Small enough to lose little when the app is killed, large enough to store quickly. */
const PIECE_BYTES = 1 << 20;
const DIGITS = 6;
const STRONG_ETAG = /^"[^"]*"$/;

/** A file to be downloaded. */
export interface Wanted {
  readonly url: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface DownloadOptions {
  readonly connection: Connection;
  readonly storage: Storage;
  readonly cryptography: Cryptography;
  /** How often a broken connection is tried again, and the wait before; doubled each time. */
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the file are here. */
  readonly onBytes?: ((receivedBytes: number) => void) | undefined;
}

/** Where the verified bytes of a hash lie. */
export function fileName(sha256: string): string {
  return `files/${sha256}`;
}

/**
 * Returns verified bytes that are stored already, or null; damaged ones are removed.
 */
export async function readFile(
  storage: Storage,
  cryptography: Cryptography,
  file: { readonly sha256: string; readonly sizeBytes: number },
): Promise<Uint8Array | null> {
  const data = await storage.read(fileName(file.sha256));
  if (data === null) return null;
  const isWhole = data.length === file.sizeBytes;
  if (isWhole && (await sha256Hex(cryptography, data)) === file.sha256) return data;
  await storage.remove(fileName(file.sha256));
  return null;
}

/**
 * Downloads a file into storage and returns how many bytes were fetched.
 *
 * What a broken connection left is kept: the next attempt, after a restart of the app as well,
 * asks only for the rest.
 *
 * @throws TrustError other bytes, or more, than were signed.
 * @throws NetworkError it broke off more often than is tried.
 * @throws StorageError the bytes cannot be kept.
 */
export async function download(wanted: Wanted, options: DownloadOptions): Promise<number> {
  const parts = new Parts(options.storage, wanted.sha256);
  await parts.load();
  const before = parts.size;
  if (before > 0) options.onBytes?.(before);
  for (let attempt = 0; ; attempt++) {
    try {
      await fetchRest(wanted, parts, options);
      break;
    } catch (error) {
      const mayPass = error instanceof NetworkError && isPassing(error.status);
      if (!mayPass || attempt >= options.retries) throw error;
      await pause(options.retryDelayMs * 2 ** attempt, options.signal);
    }
  }
  const data = await parts.join();
  await parts.clear();
  if (data.length === wanted.sizeBytes) {
    if ((await sha256Hex(options.cryptography, data)) === wanted.sha256) {
      await options.storage.write(fileName(wanted.sha256), data);
      return parts.fetchedBytes;
    }
  }
  // What was left of an earlier attempt may be what is wrong: once more from the beginning.
  if (before > 0) return parts.fetchedBytes + (await download(wanted, options));
  throw new TrustError("other-bytes", `${wanted.url} has other bytes than were signed`);
}

/** Removes what broken downloads left, but for these hashes. */
export async function removeParts(storage: Storage, keep: ReadonlySet<string>): Promise<void> {
  for (const name of await storage.list("parts/")) {
    if (!keep.has(name.split("/")[1] ?? "")) await storage.remove(name);
  }
}

async function fetchRest(wanted: Wanted, parts: Parts, options: DownloadOptions): Promise<void> {
  if (parts.size > wanted.sizeBytes) await parts.clear();
  if (parts.size === wanted.sizeBytes && parts.size > 0) return;
  const headers: Record<string, string> = {};
  if (parts.size > 0) headers["range"] = `bytes=${parts.size}-`;
  if (parts.size > 0 && parts.etag !== "") headers["if-range"] = parts.etag;
  const answer = await open(options.connection, wanted.url, { headers }, options.signal);
  if (answer.status === 416) {
    answer.cancel();
    await parts.clear();
    throw new NetworkError(`${wanted.url}: the server has no such part`, answer.status);
  }
  if (answer.status !== 200 && answer.status !== 206) {
    answer.cancel();
    throw new NetworkError(
      `${wanted.url}: the server answered HTTP ${answer.status}`,
      answer.status,
    );
  }
  await checkPart(answer, wanted, parts);
  await parts.setEtag(answer.headers.get("etag") ?? "");
  await receive(answer, wanted, parts, options);
}

/** A whole answer starts anew; a part must be the one that was asked for. */
async function checkPart(answer: Answer, wanted: Wanted, parts: Parts): Promise<void> {
  if (answer.status === 200) return parts.clear();
  const range = answer.headers.get("content-range") ?? "";
  // Servers of another origin may hide the header; the hash decides in the end.
  if (range === "" || range.startsWith(`bytes ${parts.size}-`)) return;
  answer.cancel();
  await parts.clear();
  throw new NetworkError(`${wanted.url}: asked for a part, the server gave ${range}`);
}

async function receive(
  answer: Answer,
  wanted: Wanted,
  parts: Parts,
  options: DownloadOptions,
): Promise<void> {
  try {
    for await (const piece of answer.pieces()) {
      if (parts.size + piece.length > wanted.sizeBytes) {
        answer.cancel();
        await parts.clear();
        throw new TrustError(
          "too-large",
          `${wanted.url} gives more than the ${wanted.sizeBytes} bytes signed`,
        );
      }
      await parts.add(piece);
      options.onBytes?.(parts.size);
    }
  } finally {
    await parts.flush();
  }
  if (parts.size < wanted.sizeBytes) {
    throw new NetworkError(
      `${wanted.url} broke off after ${parts.size} of ${wanted.sizeBytes} bytes`,
    );
  }
}

/** The pieces of an unfinished download, stored one by one. */
class Parts {
  /** Of all pieces, those included that are not stored yet. */
  size = 0;
  /** Of all pieces that came over the network now, those included that were given up. */
  fetchedBytes = 0;
  etag = "";
  private readonly prefix: string;
  private stored: string[] = [];
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;

  constructor(
    private readonly storage: Storage,
    sha256: string,
  ) {
    this.prefix = `parts/${sha256}/`;
  }

  async load(): Promise<void> {
    const names = await this.storage.list(this.prefix);
    this.stored = names.filter((name) => name !== this.etagName).sort();
    // A gap, as of a lost piece, makes all worthless.
    if (this.stored.some((name, index) => name !== this.nameOf(index))) return this.clear();
    for (const name of this.stored) this.size += (await this.storage.read(name))?.length ?? 0;
    const etag = await this.storage.read(this.etagName);
    this.etag = etag === null ? "" : new TextDecoder().decode(etag);
  }

  async add(piece: Uint8Array): Promise<void> {
    this.waiting.push(piece);
    this.waitingBytes += piece.length;
    this.size += piece.length;
    this.fetchedBytes += piece.length;
    if (this.waitingBytes >= PIECE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.waitingBytes === 0) return;
    const name = this.nameOf(this.stored.length);
    const data = join(this.waiting);
    [this.waiting, this.waitingBytes] = [[], 0];
    await this.storage.write(name, data);
    this.stored.push(name);
  }

  /** Remembers what the pieces are of. A weak tag does not promise the same bytes. */
  async setEtag(etag: string): Promise<void> {
    const strong = STRONG_ETAG.test(etag) ? etag : "";
    if (strong === this.etag) return;
    this.etag = strong;
    await this.storage.write(this.etagName, new TextEncoder().encode(strong));
  }

  async join(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (const name of this.stored) {
      pieces.push((await this.storage.read(name)) ?? new Uint8Array());
    }
    return join(pieces);
  }

  async clear(): Promise<void> {
    [this.size, this.waiting, this.waitingBytes, this.stored] = [0, [], 0, []];
    this.etag = "";
    for (const name of await this.storage.list(this.prefix)) await this.storage.remove(name);
  }

  private get etagName(): string {
    return `${this.prefix}etag`;
  }

  private nameOf(index: number): string {
    return this.prefix + String(index).padStart(DIGITS, "0");
  }
}

/** Whether the same question may be answered later: no answer at all, or an upset server. */
function isPassing(status: number): boolean {
  return status === 0 || status === 408 || status === 416 || status === 429 || status >= 500;
}

async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  signal?.throwIfAborted();
}
