/** Fetching the files of a version, and removing those that no version needs. */

import { type Delta, pullByDelta } from "./deltas.js";
import { type DownloadOptions, type Wanted, download, fileName, readFile } from "./download.js";
import { removeParts } from "./download.js";
import { listAllEntries } from "./installed.js";
import { type Artifact, chooseOtherFiles } from "./manifest.js";
import { loadModel } from "./model.js";
import type { SignedVersion } from "./offers.js";
import type { Settings } from "./options.js";

/** A version that may be taken; all of it is vouched for. */
export interface TakeableVersion extends SignedVersion {
  readonly artifact: Artifact;
  /** A shorter way to the artifact, from one that is here. */
  readonly delta: Delta | null;
  /** The artifact first. */
  readonly files: readonly (Wanted & { readonly path: string })[];
}

export interface TakeOptions {
  readonly signal?: AbortSignal;
  /** Told while files come: bytes of this version that are here, and all that it has. */
  readonly onProgress?: (receivedBytes: number, totalBytes: number) => void;
}

/** Returns how many bytes a version still costs, as far as storage lists what is here. */
export async function countMissingBytes(
  settings: Settings,
  offer: Pick<TakeableVersion, "files" | "artifact" | "delta">,
): Promise<number> {
  const here = new Set(await settings.storage.list("files/"));
  const { artifact, delta } = offer;
  return offer.files
    .filter((file) => !here.has(fileName(file.sha256)))
    .map((file) => (delta && file.sha256 === artifact.sha256 ? delta : file).sizeBytes)
    .reduce((sum, sizeBytes) => sum + sizeBytes, 0);
}

/**
 * Fetches what is not here yet of a version, its manifest included.
 *
 * @returns how many bytes came over the network.
 */
export async function pullFiles(
  settings: Settings,
  offer: TakeableVersion,
  options: TakeOptions,
): Promise<number> {
  const { storage, cryptography } = settings;
  const totalBytes = offer.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  let [hereBytes, fetchedBytes] = [0, 0];
  for (const file of offer.files) {
    if ((await readFile(storage, cryptography, file)) === null) {
      const onBytes = (received: number): void =>
        options.onProgress?.(hereBytes + received, totalBytes);
      const how = { ...settings, signal: options.signal, onBytes };
      fetchedBytes += await pullOne(settings, offer, file, how);
    }
    hereBytes += file.sizeBytes;
    options.onProgress?.(hereBytes, totalBytes);
  }
  await storage.write(fileName(offer.manifestSha256), offer.manifestData);
  return fetchedBytes;
}

async function pullOne(
  settings: Settings,
  offer: TakeableVersion,
  file: Wanted,
  how: DownloadOptions,
): Promise<number> {
  const { delta, artifact } = offer;
  if (!delta || !settings.applyDelta || file.sha256 !== artifact.sha256) {
    return download(file, how);
  }
  const short = { ...how, onBytes: undefined };
  const made = await pullByDelta(artifact, delta, settings.applyDelta, short);
  return made.isThere ? made.fetchedBytes : made.fetchedBytes + (await download(file, how));
}

/** Removes what no model in the storage needs, and what broken downloads left. */
export async function removeUnneeded(settings: Settings): Promise<void> {
  const { storage, cryptography } = settings;
  const needed = new Set<string>();
  for (const entry of await listAllEntries(storage)) {
    needed.add(fileName(entry.manifestSha256));
    const model = await loadModel(storage, cryptography, entry);
    if (model === null) continue;
    const files = [model.artifact, ...chooseOtherFiles(model.manifest)];
    for (const file of files) needed.add(fileName(file.sha256));
  }
  for (const name of await storage.list("files/")) {
    if (!needed.has(name)) await storage.remove(name);
  }
  await removeParts(storage, new Set());
}
