/** A version that is in use: verified bytes, ready for the app's runtime. */

import type { Cryptography } from "./crypto.js";
import { readFile } from "./download.js";
import { GhostlensError, StorageError } from "./errors.js";
import type { Entry } from "./installed.js";
import { type File, type Manifest, chooseOtherFiles, parseManifest } from "./manifest.js";
import { chooseLanguage, listLanguages, namesPath, parseNames } from "./names.js";
import type { LoadedArtifact } from "./selftest.js";
import type { Storage } from "./storage/storage.js";

/** A verified version. */
export interface InstalledModel {
  readonly version: string;
  readonly manifest: Manifest;
  /** The model file, with its bytes. */
  readonly artifact: LoadedArtifact;
  /** Languages that the version has names in, as BCP 47 tags; empty where it has labels alone. */
  readonly languages: readonly string[];
  /**
   * Returns the names of labels and coarse classes in the language that fits best.
   *
   * What has no name is not in it: show `names.get(label) ?? label`.
   *
   * @param language any BCP 47 tag, as in "zh-CN"; see `chooseLanguage`.
   * @returns an empty map where no language fits.
   * @throws StorageError the file is no longer stored.
   * @throws ManifestError the file is malformed.
   */
  names(language: string): Promise<ReadonlyMap<string, string>>;
  /** Returns the bytes of a file of the version: labels, names, golden photos and licences. */
  read(path: string): Promise<Uint8Array>;
}

/**
 * Loads a version from storage after checking every byte of it.
 *
 * @returns null where a file is missing or was changed, as when a browser made room.
 */
export async function loadModel(
  storage: Storage,
  cryptography: Cryptography,
  entry: Entry,
): Promise<InstalledModel | null> {
  const read = (file: { sha256: string; sizeBytes: number }): Promise<Uint8Array | null> =>
    readFile(storage, cryptography, file);
  const data = await read({ sha256: entry.manifestSha256, sizeBytes: entry.manifestBytes });
  const manifest = data && tryParse(data);
  const artifact = manifest?.artifacts.find((candidate) => candidate.path === entry.artifact);
  const bytes = artifact && (await read(artifact));
  if (!manifest || !artifact || !bytes) return null;
  const others = chooseOtherFiles(manifest);
  for (const file of others) if ((await read(file)) === null) return null;
  const languages = listLanguages(manifest);
  const readPath = (path: string): Promise<Uint8Array> => readOther(others, path, read);
  return {
    version: manifest.version,
    manifest,
    artifact: { ...artifact, bytes },
    languages,
    names: async (language) => {
      const chosen = chooseLanguage(languages, language);
      if (chosen === null) return new Map();
      const path = namesPath(chosen);
      return parseNames(await readPath(path), path);
    },
    read: readPath,
  };
}

async function readOther(
  files: readonly File[],
  path: string,
  read: (file: File) => Promise<Uint8Array | null>,
): Promise<Uint8Array> {
  const file = files.find((candidate) => candidate.path === path);
  if (file === undefined) {
    const there = files.map((candidate) => candidate.path).join(", ");
    throw new StorageError(`there is no file ${path}: there are ${there}`);
  }
  const data = await read(file);
  if (data === null) throw new StorageError(`${path} is no longer stored, or was changed`);
  return data;
}

/** A manifest that an older app stored, and this one cannot read, is no model. */
function tryParse(data: Uint8Array): Manifest | null {
  try {
    return parseManifest(data);
  } catch (error) {
    if (error instanceof GhostlensError) return null;
    throw error;
  }
}
