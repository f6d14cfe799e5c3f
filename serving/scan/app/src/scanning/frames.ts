/** From the camera to an answer that stands still: one frame at a time, always the newest. */

import { judge } from "ghostlens";
import { type Running, running } from "../delivery/models.ts";
import type { Problem } from "../problem.ts";
import { recall, remember } from "../remembering.ts";
import { type Camera, CameraError, listCameras, openCamera } from "./camera.ts";
import { openBarcodeReader, type ReadBarcode } from "./barcodes.ts";
import { barcode, CAMERA_OFF, cameras, cameraState, held, live, trouble } from "./state.ts";
import { Steadier, type Steady } from "./steady.ts";

/** Milliseconds between two frames at least: a faster phone saves its battery. */
const LEAST_MS = 100;
const BARCODE_EVERY_MS = 500;
const NO_FRAME_MS = 1000;
/** Times differ from frame to frame by half and more: a mean of the last two seconds is shown. */
const TIME_DECAY = 0.9;
const KEPT = "ghostlens.camera";

/** The camera that the user chose last; null where they never turned one on. */
export const recallCamera = (): string | null => recall(KEPT);

let opened = 0;

/** Turns a camera on; one that is on goes off. */
export async function startCamera(deviceId: string): Promise<void> {
  stopCamera();
  const mine = ++opened;
  cameraState.value = { kind: "starting" };
  try {
    const camera = await openCamera(deviceId, () => {
      stopCamera();
      cameraState.value = { kind: "fault", fault: "lost", detail: "the camera ended" };
    });
    if (mine !== opened) return camera.stop();
    cameraState.value = { kind: "on", camera };
    remember(KEPT, camera.deviceId);
    cameras.value = await listCameras();
  } catch (error) {
    if (mine !== opened) return;
    const fault = error instanceof CameraError ? error.fault : "busy";
    cameraState.value = { kind: "fault", fault, detail: String(error) };
  }
}

/** Turns the camera off, so that nothing sees what nobody looks at. */
export function stopCamera(): void {
  opened += 1;
  if (cameraState.value.kind === "on") cameraState.value.camera.stop();
  cameraState.value = CAMERA_OFF;
  [live.value, barcode.value] = [null, null];
}

export async function chooseNextCamera(camera: Camera): Promise<void> {
  const all = cameras.value;
  const next = all[(all.indexOf(camera.deviceId) + 1) % all.length];
  if (next !== undefined) await startCamera(next);
}

/**
 * Answers what a video shows until it is ended.
 *
 * @param onAnswer called with each answer.
 */
export async function answerFrames(
  video: HTMLVideoElement,
  ended: AbortSignal,
  onAnswer: (steady: Steady) => void,
): Promise<void> {
  let steadier: Steadier | null = null;
  let model: Running | null = null;
  let failure: Problem | null = null;
  let tookMs: number | null = null;
  while (!ended.aborted) {
    await waitForFrame(video, LEAST_MS);
    if (ended.aborted) return;
    if (running.value !== model) {
      model = running.value;
      steadier = model && makeSteadier(model);
    }
    if (model === null || steadier === null || held.value !== null || video.readyState < 2) continue;
    try {
      const scores = await model.recogniser.answerFrame(await createImageBitmap(video));
      if (ended.aborted || held.value !== null || running.value !== model) continue;
      const { decode, prepare, run } = scores.timings;
      const frameMs = decode + prepare + run;
      tookMs = tookMs === null ? frameMs : TIME_DECAY * tookMs + (1 - TIME_DECAY) * frameMs;
      const steady = steadier.add(scores);
      if (trouble.value === failure) trouble.value = null;
      live.value = { ...steady, tookMs };
      onAnswer(steady);
    } catch (error) {
      // One that was replaced or has crashed answers no more; delivery opens another.
      if (running.value !== model || ended.aborted) continue;
      trouble.value = failure = { word: "scan.failed", detail: String(error) };
      await wait(NO_FRAME_MS);
    }
  }
}

/** Reads barcodes beside it, where the browser can. */
export async function readBarcodes(video: HTMLVideoElement, ended: AbortSignal): Promise<void> {
  const read: ReadBarcode | null = await openBarcodeReader();
  while (read !== null && !ended.aborted) {
    await wait(BARCODE_EVERY_MS);
    if (held.value !== null || video.readyState < 2 || ended.aborted) continue;
    const found = await read(video).catch(() => null);
    // One that was read stays while the item is turned to its face.
    if (found !== null && !ended.aborted) barcode.value = found;
  }
}

function makeSteadier({ model }: Running): Steadier {
  return new Steadier(({ probabilities, knownScore }) =>
    judge(model.manifest, model.artifact, probabilities, knownScore),
  );
}

async function waitForFrame(video: HTMLVideoElement, leastMs: number): Promise<void> {
  await wait(leastMs);
  if (!("requestVideoFrameCallback" in video)) return;
  await Promise.race([
    new Promise<void>((resolve) => video.requestVideoFrameCallback(() => resolve())),
    wait(NO_FRAME_MS),
  ]);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
