/** Model files that were fetched, and started: each once for all photos, again after it failed. */

import { type Recogniser, openRecogniser } from "../recognising/recogniser.ts";
import { type LoadedRelease, type ShownFile, type ShownRelease, loadRelease } from "./release.ts";

export interface Opened extends LoadedRelease {
  readonly recogniser: Recogniser;
}

const MEGABYTE = 1e6;

const loaded = new Map<string, Promise<LoadedRelease>>();
const opened = new Map<string, Promise<Opened>>();

/**
 * Fetches a model file with the manifest.
 *
 * @param tell is told in words how far it is.
 */
export function load(
  release: ShownRelease,
  file: ShownFile,
  tell: (words: string) => void = () => undefined,
): Promise<LoadedRelease> {
  return keep(loaded, file, () =>
    loadRelease(release, file, (done, total) => {
      const [come, all] = [done, total].map((size) => (size / MEGABYTE).toFixed(1));
      tell(`Loading the model: ${come} of ${all} MB`);
    }),
  );
}

/** Starts a recogniser of a model file. */
export function open(release: ShownRelease, file: ShownFile): Promise<Opened> {
  return keep(opened, file, async () => {
    const files = await load(release, file);
    return { ...files, recogniser: await openRecogniser(files.artifact, files.manifest) };
  });
}

/** Forgets a recogniser that died: the next photo starts another one. */
export function forget(file: ShownFile): void {
  opened.delete(file.path);
}

function keep<T>(
  kept: Map<string, Promise<T>>,
  { path }: ShownFile,
  make: () => Promise<T>,
): Promise<T> {
  const found =
    kept.get(path) ??
    make().catch((error: unknown) => {
      kept.delete(path);
      throw error;
    });
  kept.set(path, found);
  return found;
}
