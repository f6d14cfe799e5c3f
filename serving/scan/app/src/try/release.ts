/** The release that the page shows: what the server wrote into it, and the model file. */

import { type LoadedArtifact, type Manifest, parseManifest, toHex, webCryptography } from "ghostlens";
import { fetchFile } from "./fetching.ts";

/** What the template gives to the box. */
export interface ShownRelease {
  readonly model: string;
  readonly version: string;
  readonly manifest: { readonly url: string; readonly sha256: string };
  /** The files for browsers; the first is what an app gets that names no precision. */
  readonly files: readonly ShownFile[];
  readonly samples: readonly { readonly label: string; readonly url: string }[];
}

/** A model file for browsers. */
export interface ShownFile {
  readonly path: string;
  readonly url: string;
  /** As in "fp32". */
  readonly precision: string;
  /** Whether the server answers with this very file. */
  readonly isServers: boolean;
}

/** What a device would have of the release. */
export interface LoadedRelease {
  readonly manifest: Manifest;
  readonly artifact: LoadedArtifact;
}

/** A file of the release could not be had, or is another one than the page names. */
export class FetchError extends Error {}

/**
 * Fetches the manifest and the model file, and compares both with their hashes.
 *
 * The page itself vouches for the manifest's hash; an app checks signatures besides.
 *
 * @param progress called with how many bytes of the model file came, and of how many.
 * @throws FetchError see there.
 * @throws ManifestError, ConfigError the manifest cannot be read, or there is no WebCrypto here.
 */
export async function loadRelease(
  release: ShownRelease,
  { path, url }: ShownFile,
  progress: (doneBytes: number, totalBytes: number) => void,
): Promise<LoadedRelease> {
  const manifest = parseManifest(
    await fetchVerified(release.manifest.url, release.manifest.sha256, () => undefined),
  );
  const artifact = manifest.artifacts.find((entry) => entry.path === path);
  if (artifact === undefined) throw new FetchError(`the manifest has no file ${path}`);
  const bytes = await fetchVerified(url, artifact.sha256, (done) => progress(done, artifact.sizeBytes));
  return { manifest, artifact: { ...artifact, bytes } };
}

async function fetchVerified(
  url: string,
  sha256: string,
  progress: (doneBytes: number) => void,
): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    const response = await fetchFile(url);
    if (!response.ok) throw new FetchError(`${url} was refused: ${response.status}`);
    bytes = await readBody(response, progress);
  } catch (error) {
    if (error instanceof FetchError) throw error;
    throw new FetchError(`${url} did not come: ${String(error)}`, { cause: error });
  }
  if (toHex(await webCryptography().sha256(bytes)) !== sha256) {
    throw new FetchError(`${url} is another file than the release names: its hash differs`);
  }
  return bytes;
}

async function readBody(
  response: Response,
  progress: (doneBytes: number) => void,
): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let done = 0;
  const reader = (response.body ?? new Blob().stream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    parts.push(piece.value);
    done += piece.value.length;
    progress(done);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
