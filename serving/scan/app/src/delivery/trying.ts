/** Runs a version's golden photos, and keeps the recogniser for using the version afterwards. */

import { type InstalledModel, type LoadedArtifact, type Manifest, UntestedError } from "ghostlens";
import { untilKept } from "../offline/control.ts";
import { InsecureError } from "../recognising/errors.ts";
import {
  type Recogniser,
  RuntimeMissingError,
  UnsupportedError,
  findMissing,
  openRecogniser,
} from "../recognising/recogniser.ts";
import { type Lent, lend } from "./lending.ts";

/** A recogniser of a model file. */
export interface Opened {
  readonly version: string;
  readonly sha256: string;
  readonly recogniser: Lent;
}

/** Whether an error says nothing about a model: no other one would run here and now either. */
export function isOfDevice(error: unknown): boolean {
  return error instanceof UnsupportedError || error instanceof RuntimeMissingError;
}

/**
 * Finds what is in the way before anything is downloaded.
 *
 * @throws InsecureError the page came over plain http.
 * @throws UnsupportedError this browser runs no models.
 */
export function checkBrowser(): void {
  if (!isSecureContext) throw new InsecureError("the page came over http, not from this machine");
  const missing = findMissing();
  if (missing !== null) throw new UnsupportedError(`this browser has no ${missing}`);
}

/** What a self-test opens. */
export class Bench {
  private opened: (Opened & { readonly artifact: LoadedArtifact }) | null = null;

  /** @param onStart told when the first photo is answered. */
  constructor(private readonly onStart: () => void) {}

  /** The way from a photo to probabilities, for the client. */
  readonly answer = async (
    photo: Uint8Array,
    artifact: LoadedArtifact,
    manifest: Manifest,
  ): Promise<Float32Array> => {
    if (this.opened?.artifact !== artifact) {
      this.close();
      this.onStart();
      const recogniser = lend(await openHere(artifact, manifest));
      this.opened = { artifact, version: manifest.version, sha256: artifact.sha256, recogniser };
    }
    return (await this.opened.recogniser.answerPhoto(photo)).probabilities;
  };

  /** Hands over what was opened; it is the caller's to close. */
  take(): Opened | null {
    const opened = this.opened;
    this.opened = null;
    return opened;
  }

  close(): void {
    this.opened?.recogniser.close();
    this.opened = null;
  }
}

/**
 * Opens a version that was tested before, and has it answer a photo.
 *
 * @throws Error it does not answer; see `isOfDevice`.
 */
export async function openProven(model: InstalledModel): Promise<Opened> {
  const { artifact, manifest } = model;
  await untilKept();
  const recogniser = await openRecogniser(artifact, manifest);
  try {
    const golden = manifest.golden.find(({ answers }) => answers.has(artifact.path));
    if (golden !== undefined) {
      const { probabilities } = await recogniser.answerPhoto(await model.read(golden.file));
      if (!probabilities.every(Number.isFinite)) throw new Error("it answers what is no number");
    }
  } catch (error) {
    recogniser.close();
    throw error;
  }
  return { version: model.version, sha256: artifact.sha256, recogniser: lend(recogniser) };
}

async function openHere(artifact: LoadedArtifact, manifest: Manifest): Promise<Recogniser> {
  await untilKept();
  try {
    return await openRecogniser(artifact, manifest);
  } catch (error) {
    if (!isOfDevice(error)) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new UntestedError(text, { cause: error });
  }
}
