/** Deltas: a model file from the one before, where that saves more than half of the download. */

import { type Cryptography, sha256Hex } from "./crypto.js";
import { type DownloadOptions, type Wanted, download, fileName, readFile } from "./download.js";
import type { Artifact, Manifest } from "./manifest.js";
import type { Storage } from "./storage/storage.js";
import type { Updater } from "./tuf/updater.js";

const HASH_DIGITS = 16;

/**
 * Decodes a zstd frame whose dictionary is the old file's bytes ("raw content").
 *
 * The result is checked against the signed hash; what throws, or gives other bytes, costs the
 * whole download and nothing more.
 *
 * @param sizeBytes of the result: more need not be decoded.
 */
export type ApplyDelta = (
  oldFile: Uint8Array,
  delta: Uint8Array,
  sizeBytes: number,
) => Uint8Array | Promise<Uint8Array>;

/** A signed way to a file from one that is here. */
export interface Delta extends Wanted {
  readonly fromSha256: string;
}

/** Returns the smallest signed delta from files that are kept, or null where there is none. */
export async function findDelta(
  updater: Updater,
  manifest: Manifest,
  artifact: Artifact,
  keptSha256: readonly string[],
): Promise<Delta | null> {
  const name = artifact.path.split("/").pop() ?? "";
  let best: Delta | null = null;
  for (const fromSha256 of keptSha256) {
    const file = `${fromSha256.slice(0, HASH_DIGITS)}-${name}.zst`;
    const target = await updater.findTarget(`${manifest.model}/${manifest.version}/deltas/${file}`);
    if (target === null || target.length >= (best?.sizeBytes ?? artifact.sizeBytes)) continue;
    const { sha256, length: sizeBytes } = target;
    best = { url: updater.targetUrl(target), sha256, sizeBytes, fromSha256 };
  }
  return best;
}

/**
 * Makes a file by a delta and stores it.
 *
 * @returns how many bytes were downloaded, and whether the file is there now.
 */
export async function pullByDelta(
  artifact: Artifact,
  delta: Delta,
  apply: ApplyDelta,
  options: DownloadOptions,
): Promise<{ fetchedBytes: number; isThere: boolean }> {
  const { storage, cryptography } = options;
  const oldFile = await readKept(storage, cryptography, delta.fromSha256);
  if (oldFile === null) return { fetchedBytes: 0, isThere: false };
  const fetchedBytes = await download(delta, options);
  const data = await readFile(storage, cryptography, delta);
  await storage.remove(fileName(delta.sha256));
  const made = data && (await tryApply(apply, oldFile, data, artifact.sizeBytes));
  const isThere =
    made?.length === artifact.sizeBytes &&
    (await sha256Hex(cryptography, made)) === artifact.sha256;
  if (made && isThere) await storage.write(fileName(artifact.sha256), made);
  return { fetchedBytes, isThere };
}

/** The old file is only a dictionary, but a damaged one would make the delta useless. */
async function readKept(
  storage: Storage,
  cryptography: Cryptography,
  sha256: string,
): Promise<Uint8Array | null> {
  const data = await storage.read(fileName(sha256));
  if (data === null || (await sha256Hex(cryptography, data)) !== sha256) return null;
  return data;
}

/** Whatever the app's decoder throws, the whole file is another way. */
async function tryApply(
  apply: ApplyDelta,
  oldFile: Uint8Array,
  delta: Uint8Array,
  sizeBytes: number,
): Promise<Uint8Array | null> {
  try {
    return await apply(oldFile, delta, sizeBytes);
  } catch {
    return null;
  }
}
