/** What a repository offers of a model, as far as the trusted root vouches for it. */

import { MANIFEST_NAME, MAX_MANIFEST_BYTES, MAX_RELEASE_BYTES, RELEASE_NAME } from "./contract.js";
import { type Cryptography, sha256Hex } from "./crypto.js";
import { type Offer, listCandidates, offerOf } from "./decide.js";
import type { Wanted } from "./download.js";
import { TrustError } from "./errors.js";
import { type Artifact, type Manifest, chooseOtherFiles, parseManifest } from "./manifest.js";
import { type Release, parseRelease } from "./release.js";
import type { Updater } from "./tuf/updater.js";

/** A version as signed metadata describe it. */
export interface SignedVersion {
  readonly manifest: Manifest;
  readonly manifestData: Uint8Array;
  readonly manifestSha256: string;
}

/** The signed policy, and the versions that it may offer to devices of a channel. */
export interface Catalogue {
  readonly release: Release;
  readonly versions: ReadonlyMap<string, SignedVersion>;
  readonly offers: ReadonlyMap<string, Offer>;
}

/**
 * Reads the policy of a model and the manifests that it may lead to.
 *
 * @param updater after `refresh()`.
 */
export async function readCatalogue(
  updater: Updater,
  cryptography: Cryptography,
  model: string,
  channel: string,
): Promise<Catalogue> {
  const path = `${model}/${RELEASE_NAME}`;
  const release = parseRelease(await updater.readTarget(path, MAX_RELEASE_BYTES));
  if (release.model !== model) {
    throw new TrustError("other-bytes", `${path} is about ${release.model}`);
  }
  const versions = new Map<string, SignedVersion>();
  const offers = new Map<string, Offer>();
  for (const version of listCandidates(release, channel)) {
    const data = await readManifest(updater, model, version);
    const manifest = parseManifest(data);
    if (manifest.model !== model || manifest.version !== version) {
      throw new TrustError(
        "other-bytes",
        `the manifest of ${model} ${version} is about ${manifest.model} ${manifest.version}`,
      );
    }
    const manifestSha256 = await sha256Hex(cryptography, data);
    versions.set(version, { manifest, manifestData: data, manifestSha256 });
    offers.set(version, offerOf(manifest, manifestSha256, data.length));
  }
  return { release, versions, offers };
}

/**
 * Returns what is to be downloaded of a version, each with the address that signed metadata give.
 *
 * @throws TrustError metadata and manifest do not speak of the same bytes.
 */
export async function listWanted(
  updater: Updater,
  manifest: Manifest,
  artifact: Artifact,
): Promise<(Wanted & { readonly path: string })[]> {
  const wanted = [];
  for (const file of [artifact, ...chooseOtherFiles(manifest)]) {
    const path = `${manifest.model}/${manifest.version}/${file.path}`;
    const target = await updater.findTarget(path);
    if (target === null) throw new TrustError("not-published", `nobody publishes ${path}`);
    if (target.sha256 !== file.sha256 || target.length !== file.sizeBytes) {
      throw new TrustError("other-bytes", `${path} is not the file that the manifest names`);
    }
    const { sha256, sizeBytes } = file;
    wanted.push({ path: file.path, url: updater.targetUrl(target), sha256, sizeBytes });
  }
  return wanted;
}

function readManifest(updater: Updater, model: string, version: string): Promise<Uint8Array> {
  return updater.readTarget(`${model}/${version}/${MANIFEST_NAME}`, MAX_MANIFEST_BYTES);
}
