/** Runs a release's own model file on this device. */

import type { LoadedArtifact, Manifest } from "ghostlens";
import {
  CrashedError,
  PhotoError,
  PhotoSizeError,
  RuntimeMissingError,
  UnsupportedError,
} from "./errors.ts";
import type { Order, Outcome, Reply, Task } from "./messages.ts";

export { CrashedError, PhotoError, PhotoSizeError, RuntimeMissingError, UnsupportedError };

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
  /** Which answers the next picture; a graphics processor is first tried on some pictures. */
  readonly accelerator: Accelerator;
  /**
   * Answers an encoded photo, as JPEG or whatever else the browser decodes.
   *
   * @throws PhotoError it cannot be decoded; other photos can.
   * @throws CrashedError the recogniser is of no more use; another may be opened.
   */
  answerPhoto(photo: Uint8Array): Promise<Scores>;
  /**
   * Answers a picture of the camera; it is closed.
   *
   * @throws CrashedError see `answerPhoto`.
   */
  answerFrame(frame: ImageBitmap): Promise<Scores>;
  /** Gives the memory back; calls that wait are refused. */
  close(): void;
}

/** Of a release, what is needed: of the artifact its name and bytes. */
export type OpenArtifact = Pick<LoadedArtifact, "path" | "bytes">;
export type OpenManifest = Pick<Manifest, "labels" | "preprocess">;

/** A module that is valid where WebAssembly knows vectors of 128 bits: one function, one splat. */
const SIMD_MODULE = [
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b],
];
const RUNTIME = `/scan/litert/${__LITERT_VERSION__}/`;

/**
 * Loads the runtime and a model file into it, in a worker of its own.
 *
 * @param only which processor is used; null for the better one.
 * @throws UnsupportedError the browser lacks what the runtime needs, as SIMD in WebAssembly.
 * @throws RuntimeMissingError the runtime's files cannot be fetched.
 * @throws CrashedError the runtime refuses the file, or died.
 */
export async function openRecogniser(
  { path, bytes }: OpenArtifact,
  { labels, preprocess }: OpenManifest,
  only: Accelerator | null = null,
): Promise<Recogniser> {
  const missing = findMissing();
  if (missing !== null) throw new UnsupportedError(`this browser has no ${missing}`);
  const recogniser = new WorkerRecogniser();
  const opening = { path, bytes, preprocess, labels: labels.length, only, runtime: RUNTIME };
  try {
    await recogniser.open(opening);
  } catch (error) {
    recogniser.close();
    throw error;
  }
  return recogniser;
}

/** Returns what the browser lacks; null where it can run models. */
export function findMissing(): string | null {
  if (typeof WebAssembly === "undefined") return "WebAssembly";
  if (!WebAssembly.validate(Uint8Array.from(SIMD_MODULE))) return "SIMD in WebAssembly";
  if (typeof Worker === "undefined") return "workers";
  if (typeof OffscreenCanvas === "undefined") return "canvas in workers (OffscreenCanvas)";
  return null;
}

interface Waiting {
  readonly resolve: (outcome: Outcome & { kind: "done" }) => void;
  readonly reject: (error: Error) => void;
}

class WorkerRecogniser implements Recogniser {
  accelerator: Accelerator = "wasm";
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url));
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  /** Why it answers no more; null while it does. */
  private ended: Error | null = null;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<Reply>) => this.settle(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      // A script that cannot be fetched has no message.
      const missing = (event.message ?? "") === "";
      this.end(missing ? new RuntimeMissingError("its worker") : new CrashedError(event.message));
    };
  }

  async open(opening: (Task & { kind: "open" })["opening"]): Promise<void> {
    await this.order({ kind: "open", opening });
  }

  answerPhoto(photo: Uint8Array): Promise<Scores> {
    return this.ask({ kind: "photo", photo });
  }

  answerFrame(frame: ImageBitmap): Promise<Scores> {
    return this.ask({ kind: "frame", frame }, [frame]);
  }

  close(): void {
    this.end(new CrashedError("it was closed"));
  }

  private async ask(task: Task, moved: Transferable[] = []): Promise<Scores> {
    const { scores } = await this.order(task, moved);
    if (scores === null) throw new CrashedError("the worker gave no answer");
    return scores;
  }

  private order(task: Task, moved: Transferable[] = []): Promise<Outcome & { kind: "done" }> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) {
        if (task.kind === "frame") task.frame.close();
        reject(this.ended);
        return;
      }
      const order: Order = { id: this.nextId++, task };
      this.waiting.set(order.id, { resolve, reject });
      this.worker.postMessage(order, moved);
    });
  }

  private settle({ id, outcome }: Reply): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (outcome.kind === "done") {
      this.accelerator = outcome.accelerator;
      waiting?.resolve(outcome);
      return;
    }
    const error = makeError(outcome.error, outcome.message);
    waiting?.reject(error);
    // After anything but a bad photo the runtime's memory cannot be relied on.
    if (!(error instanceof PhotoError)) this.end(error);
  }

  private end(error: Error): void {
    if (this.ended !== null) return;
    this.ended = error;
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}

/** Classes do not come through messages; what is none of ours is a crash. */
function makeError(name: string, message: string): Error {
  if (name === "PhotoError") return new PhotoError(message);
  if (name === "PhotoSizeError") return new PhotoSizeError(message);
  if (name === "RuntimeMissingError") return new RuntimeMissingError(message);
  return new CrashedError(message);
}
