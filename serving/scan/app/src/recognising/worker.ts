/** Answers pictures away from the page, which stays quick meanwhile. */

import { loadLiteRt } from "@litertjs/core";
import { type Pixels, Preparation } from "ghostlens";
import { PixelReader, openPhoto } from "./decode.ts";
import { CrashedError, RuntimeMissingError } from "./errors.ts";
import type { Opening, Order, Outcome, Reply, Task } from "./messages.ts";
import { Network } from "./network.ts";
import type { Scores } from "./recogniser.ts";

interface Open {
  readonly network: Network;
  readonly preprocess: Opening["preprocess"];
}

const reader = new PixelReader();
let opened: Open | null = null;
let preparation: Preparation | null = null;
/** Orders are done one after the other, as the runtime keeps its tensors between calls. */
let queue: Promise<void> = Promise.resolve();

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  queue = queue.then(async () => {
    const reply: Reply = { id: data.id, outcome: await perform(data.task) };
    postMessage(reply);
  });
});

async function perform(task: Task): Promise<Outcome> {
  try {
    const scores = task.kind === "open" ? await open(task.opening) : await answer(task);
    return { kind: "done", scores, accelerator: opened?.network.accelerator ?? "wasm" };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: "failed", error: name, message };
  }
}

async function open(opening: Opening): Promise<null> {
  const { path, bytes, preprocess, labels, only, runtime } = opening;
  const locateFile = (name: string): string => runtime + name;
  // It would look for its other file beside the worker's, and call all that it tells an error.
  Object.assign(self, { Module: { locateFile, printErr: console.debug } });
  try {
    await loadLiteRt(runtime);
  } catch (error) {
    throw new RuntimeMissingError(`${runtime}: ${String(error)}`);
  }
  try {
    opened = { network: await Network.open(bytes, preprocess.inputPx, labels, only), preprocess };
  } catch (error) {
    throw new CrashedError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return null;
}

async function answer(task: Exclude<Task, { kind: "open" }>): Promise<Scores> {
  if (opened === null) throw new CrashedError("no model is open");
  const start = performance.now();
  const picture = task.kind === "photo" ? await openPhoto(task.photo) : task.frame;
  try {
    let decode = performance.now() - start;
    let prepare = 0;
    const made = findPreparation(picture, opened.preprocess);
    let before = performance.now();
    reader.readStrips(picture, made.area, (strip: Pixels, top) => {
      const read = performance.now();
      made.add(strip, made.area.left, top);
      decode += read - before;
      before = performance.now();
      prepare += before - read;
    });
    const pixels = new Float32Array(made.finish());
    const ready = performance.now();
    const found = await opened.network.answer(pixels);
    const timings = { decode, prepare: prepare + ready - before, run: performance.now() - ready };
    return { ...found, timings };
  } finally {
    picture.close();
  }
}

/** The weights of the last size, which a camera keeps. */
function findPreparation({ width, height }: ImageBitmap, by: Opening["preprocess"]): Preparation {
  if (preparation?.width !== width || preparation.height !== height) {
    preparation = new Preparation(width, height, by);
  }
  return preparation;
}
