/** Answers that stand: of the camera, held by hand or by themselves, and of chosen photos. */

import { effect } from "@preact/signals";
import { judge } from "ghostlens";
import { addCount } from "../counting/counts.ts";
import type { Right } from "../correcting/queue.ts";
import { noteScan, type Running, running } from "../delivery/models.ts";
import type { Problem } from "../problem.ts";
import { MAX_ASPECT, MAX_PIXELS, openPhoto as decodePhoto } from "../recognising/decode.ts";
import { PhotoError, PhotoSizeError } from "../recognising/errors.ts";
import { type Barcode, findLabel, type Scan } from "../scan.ts";
import type { Word } from "../words/words.ts";
import { openBarcodeReader } from "./barcodes.ts";
import { askAbout, canAsk, cancelAsking, isAsked } from "./fallback.ts";
import { AutomaticHold } from "./holding.ts";
import { isWorthAsking, SETTLED_FRAMES } from "./pacing.ts";
import { writeJpeg } from "./pictures.ts";
import { asking, barcode, held, isOpening, live, trouble } from "./state.ts";
import type { Steady } from "./steady.ts";

const automatic = new AutomaticHold();
/** The picture that the server was asked about, as `Steady.view` counts them. */
let asked = -1;
let isBusy = false;
/** A photo that was chosen before there was a model; the last one, if there were several. */
let early: Blob | null = null;

effect(() => {
  if (running.value === null || early === null) return;
  const photo = early;
  early = null;
  queueMicrotask(() => void openPhoto(photo));
});

/** Looks at one more answer of the camera: holds it, or asks the server, where it is time. */
export function noteAnswer(video: HTMLVideoElement, steady: Steady): void {
  const { recognition, current, frames, view } = steady;
  if (view !== asked) cancelAsking();
  // By what is seen now, not by what is still shown: the picture that is held is of now.
  if (current !== null && automatic.add(current)) return void holdFrame(video);
  const isSettled = isWorthAsking(recognition.verdict) && frames >= SETTLED_FRAMES;
  if (isSettled && view !== asked && !isBusy) void askAboutFrame(video, view);
}

/** Holds what the camera shows now, with its answer. */
export async function holdFrame(video: HTMLVideoElement): Promise<void> {
  const view = live.value?.view ?? -1;
  const scan = isBusy ? null : await takeScan(video);
  if (scan === null) return;
  settle(scan);
  if (!isWorthAsking(scan.recognition.verdict)) cancelAsking();
  else if (asking.value.kind !== "busy" && askAbout(scan, settle)) asked = view;
}

/** Answers a photo that the user chose. */
export async function openPhoto(file: Blob): Promise<void> {
  const model = running.value;
  if (model === null) {
    early = file;
    return fail("scan.photo.wait", "no model yet");
  }
  [isOpening.value, trouble.value] = [true, null];
  try {
    const scan = await answerPhoto(model, file);
    goOn();
    settle(scan);
    if (isWorthAsking(scan.recognition.verdict)) askAbout(scan, settle);
  } catch (error) {
    trouble.value = explain(error);
  } finally {
    isOpening.value = false;
  }
}

/** Chooses which of the names is counted. */
export function chooseLabel(label: string): void {
  if (held.value !== null) held.value = { ...held.value, label };
}

/** Takes what the user says the picture shows in truth; what is no item is not looked at longer. */
export function takeCorrection(right: Right): void {
  if (right.kind === "not-an-item") goOn();
  else if (held.value !== null) {
    cancelAsking();
    held.value = { ...held.value, label: right.name, isCorrected: true };
  }
}

/** Adds what is held to the counting list, and goes on. */
export async function countHeld(): Promise<void> {
  if (held.value === null || held.value.label === null) return;
  const { label, scan } = held.value;
  const { model, version } = scan;
  const isKept = await addCount({ label, model, version, barcode: scan.barcode?.value ?? null });
  if (isKept) goOn();
}

/** Leaves what is held, for the camera. */
export function goOn(): void {
  cancelAsking();
  if (held.value === null) return;
  const { scan, pictureUrl } = held.value;
  if (pictureUrl !== "") URL.revokeObjectURL(pictureUrl);
  void noteScan(scan.recognition, isAsked(scan));
  automatic.goOn(findLabel(scan.recognition));
  [held.value, live.value, barcode.value, trouble.value] = [null, null, null, null];
}

async function askAboutFrame(video: HTMLVideoElement, view: number): Promise<void> {
  if (!canAsk()) return;
  asked = view;
  const scan = await takeScan(video);
  if (scan === null || !askAbout(scan, settle)) asked = -1;
}

/** Asks the server about what is held, because the user wants it. */
export function askAboutHeld(): void {
  if (held.value !== null) askAbout(held.value.scan, settle, true);
}

/** Puts an answer where the camera's was, or the device's own answer to the same picture. */
function settle(scan: Scan): void {
  const before = held.value;
  const url = before?.pictureUrl ?? (scan.photo ? URL.createObjectURL(scan.photo) : "");
  const label = findLabel(scan.recognition);
  held.value =
    before?.label == null
      ? { scan, pictureUrl: url, label, isCorrected: false }
      : { ...before, scan, pictureUrl: url };
}

/** Takes the picture that the camera shows, with the answer to it. */
async function takeScan(video: HTMLVideoElement): Promise<Scan | null> {
  const [answer, model] = [live.value, running.value];
  if (answer === null || model === null || held.value !== null) return null;
  isBusy = true;
  try {
    const photo = await writeJpeg(video);
    const found = answer.current ?? answer.recognition;
    return makeScan(model, found, answer.tookMs, photo, barcode.value);
  } finally {
    isBusy = false;
  }
}

async function answerPhoto(model: Running, file: Blob): Promise<Scan> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const picture = await decodePhoto(bytes);
  try {
    const scores = await model.recogniser.answerPhoto(bytes);
    const { probabilities, knownScore, timings } = scores;
    const { manifest, artifact } = model.model;
    const recognition = judge(manifest, artifact, probabilities, knownScore);
    const tookMs = timings.decode + timings.prepare + timings.run;
    const found = (await (await openBarcodeReader())?.(picture).catch(() => null)) ?? null;
    return makeScan(model, recognition, tookMs, await writeJpeg(picture), found);
  } finally {
    picture.close();
  }
}

function makeScan(
  { model, recogniser }: Running,
  recognition: Scan["recognition"],
  tookMs: number,
  photo: Blob | null,
  found: Barcode | null,
): Scan {
  return {
    model: model.manifest.model,
    version: model.version,
    labels: model.manifest.labels,
    recognition,
    source: { by: "device", accelerator: recogniser.accelerator, tookMs },
    at: new Date(),
    photo,
    barcode: found,
  };
}

function explain(error: unknown): Problem {
  const detail = String(error);
  if (error instanceof PhotoSizeError) {
    const values = { megapixels: MAX_PIXELS / 1e6, aspect: MAX_ASPECT };
    return { word: "scan.photo.size", values, detail };
  }
  return { word: error instanceof PhotoError ? "scan.photo.unreadable" : "scan.failed", detail };
}

function fail(word: Word, detail: string): void {
  trouble.value = { word, detail };
}
