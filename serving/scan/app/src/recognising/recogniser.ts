/** Runs a release's own model file on this device. */

import type { LoadedArtifact, Manifest } from "ghostlens";

/** Who computes: the graphics processor, or the processor through WebAssembly. */
export type Accelerator = "webgpu" | "wasm";

/** What the network says of one picture. */
export interface Scores {
  /** Of every label, in the order of the manifest's labels; each 0 to 1. */
  readonly probabilities: Float32Array;
  /** Its second output; how much the picture looks like known things. */
  readonly knownScore: number;
  /** Milliseconds of each step, from the picture to the answer. */
  readonly timings: { readonly decode: number; readonly prepare: number; readonly run: number };
}

/** Answers pictures by one model file. Calls are answered one after the other. */
export interface Recogniser {
  readonly accelerator: Accelerator;
  /** Answers an encoded photo, as JPEG or whatever else the browser decodes. */
  answerPhoto(photo: Uint8Array): Promise<Scores>;
  /** Answers a picture of the camera; it is closed. */
  answerFrame(frame: ImageBitmap): Promise<Scores>;
  /** Gives the memory back; calls that wait are refused. */
  close(): void;
}

/** The browser cannot run the model at all. */
export class UnsupportedError extends Error {}

/**
 * Loads the runtime, once, and a model file into it.
 *
 * @throws UnsupportedError the browser lacks what the runtime needs, as SIMD in WebAssembly.
 */
export async function openRecogniser(
  _artifact: LoadedArtifact,
  _manifest: Manifest,
): Promise<Recogniser> {
  throw new UnsupportedError("not built yet");
}
