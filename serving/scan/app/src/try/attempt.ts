/** One photo on its way: its steps, what this device says, what the server says. */

import { signal } from "@preact/signals";
import { type Recognition, judge } from "ghostlens";
import {
  type Accelerator,
  CrashedError,
  PhotoError,
  PhotoSizeError,
  RuntimeMissingError,
  type Scores,
  UnsupportedError,
} from "../recognising/recogniser.ts";
import { OfflineError, RefusedError } from "../server.ts";
import { type CloudAnswer, askCloud } from "./cloud.ts";
import { forget, load, open } from "./opening.ts";
import { FetchError, type ShownFile, type ShownRelease } from "./release.ts";
import { type Steps, takeSteps } from "./steps.ts";

/** Something that is waited for; `words` are for the person who waits. */
export type Outcome<T> =
  | { readonly kind: "waiting"; readonly words: string }
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly words: string; readonly detail: string };

export interface DeviceAnswer {
  readonly found: Recognition;
  readonly timings: Scores["timings"];
  readonly accelerator: Accelerator;
}

export interface Attempt {
  readonly name: string;
  readonly photo: Blob;
  /** The model file that answers here. */
  readonly file: ShownFile;
  readonly steps: Outcome<Steps>;
  readonly device: Outcome<DeviceAnswer>;
  /** Null where the person wants no photo sent. */
  readonly cloud: Outcome<CloudAnswer> | null;
}

/** The photo that was chosen last; null before the first one. */
export const attempt = signal<Attempt | null>(null);
/** Whether photos are sent to the server as well. */
export const compares = signal(true);

/** Recognises a photo here and, where that is wanted, on the server; a later photo ends it. */
export async function recognise(
  release: ShownRelease,
  file: ShownFile,
  name: string,
  photo: Blob,
): Promise<void> {
  const waiting = { kind: "waiting", words: "Reading the photo…" } as const;
  const cloud = compares.value ? { ...waiting, words: "Waiting for this device…" } : null;
  let own: Attempt = { name, photo, file, steps: waiting, device: waiting, cloud };
  attempt.value = own;
  const update = (change: Partial<Attempt>): void => {
    if (attempt.value !== own) return;
    own = { ...own, ...change };
    attempt.value = own;
  };
  const isCurrent = (): boolean => attempt.value === own;

  const bytes = new Uint8Array(await photo.arrayBuffer());
  const files = await settle(() => load(release, file, (words) => update({ device: wait(words) })));
  if (files.kind === "done") {
    const { manifest } = files.value;
    update({ steps: await settle(() => takeSteps(bytes, manifest.preprocess)) });
    if (isCurrent()) update({ device: await answerHere(release, file, bytes, update) });
  } else if (files.kind === "failed") {
    update({ steps: files, device: files });
  }
  if (!isCurrent() || cloud === null) return;
  // Afterwards, so that neither waits for the other's work, where both run on one machine.
  update({ cloud: wait("Asking the server…") });
  update({ cloud: await settle(() => askCloud(release.model, release.version, photo)) });
}

async function answerHere(
  release: ShownRelease,
  file: ShownFile,
  photo: Uint8Array,
  update: (change: Partial<Attempt>) => void,
): Promise<Outcome<DeviceAnswer>> {
  update({ device: wait("Starting the runtime…") });
  return settle(async () => {
    const { recogniser, manifest, artifact } = await open(release, file);
    update({ device: wait("Recognising…") });
    const scores = await recogniser.answerPhoto(photo).catch((error: unknown) => {
      if (error instanceof CrashedError) forget(file);
      throw error;
    });
    const { probabilities, knownScore, timings } = scores;
    const found = judge(manifest, artifact, probabilities, knownScore);
    return { found, timings, accelerator: recogniser.accelerator };
  });
}

function wait(words: string): Outcome<never> {
  return { kind: "waiting", words };
}

async function settle<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { kind: "done", value: await work() };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { kind: "failed", words: describe(error), detail };
  }
}

function describe(error: unknown): string {
  if (error instanceof OfflineError) return "The server cannot be reached.";
  if (error instanceof RefusedError) {
    if (error.status === 401 || error.status === 403) {
      return "The server wants an API key for this: give it on the scan page's settings.";
    }
    const again = error.retryAfterS === null ? "" : ` Try again in ${error.retryAfterS} s.`;
    return `The server did not recognise it: ${error.message}.${again}`;
  }
  if (error instanceof PhotoSizeError) return `Choose another photo: ${error.message}.`;
  if (error instanceof PhotoError) {
    return "This browser cannot read the file as a photo. Choose a JPEG, PNG or WebP.";
  }
  if (error instanceof UnsupportedError) return "This browser cannot run the model.";
  if (error instanceof RuntimeMissingError) return "The runtime could not be fetched.";
  if (error instanceof CrashedError) return "The model stopped. Choose the photo again.";
  if (error instanceof FetchError) return "The model could not be fetched.";
  return "That did not work in this browser.";
}
