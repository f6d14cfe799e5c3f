/** What the scan screen shows; `frames.ts`, `settled.ts` and `fallback.ts` change it. */

import { signal } from "@preact/signals";
import type { Problem } from "../problem.ts";
import type { Barcode, Scan } from "../scan.ts";
import type { Camera, CameraFault } from "./camera.ts";
import type { Steady } from "./steady.ts";

export type CameraState =
  | { readonly kind: "off" }
  | { readonly kind: "starting" }
  | { readonly kind: "on"; readonly camera: Camera }
  | { readonly kind: "fault"; readonly fault: CameraFault; readonly detail: string };

export type Asking =
  | { readonly kind: "idle" }
  | { readonly kind: "busy" }
  | { readonly kind: "failed"; readonly problem: Problem };

/** An answer that stands until the user goes on. */
export interface Held {
  readonly scan: Scan;
  /** Address of the picture; empty where it could not be kept. */
  readonly pictureUrl: string;
  /** What would be counted: the answer, or what the user chose instead; null while nothing is. */
  readonly label: string | null;
  /** The user said so. */
  readonly isCorrected: boolean;
}

/** A page over plain http gets no camera, but from localhost. */
const isInsecure = globalThis.isSecureContext === false; // unit tests have no such thing
/** Before a camera is turned on, and after. */
export const CAMERA_OFF: CameraState = isInsecure
  ? { kind: "fault", fault: "insecure", detail: "the page came over http" }
  : { kind: "off" };
export const cameraState = signal<CameraState>(CAMERA_OFF);
/** Ids of the cameras to choose from. */
export const cameras = signal<readonly string[]>([]);
/** The answer to what the camera sees, and how long a frame takes, in milliseconds. */
export const live = signal<(Steady & { readonly tookMs: number }) | null>(null);
export const held = signal<Held | null>(null);
export const asking = signal<Asking>({ kind: "idle" });
/** The barcode that the camera saw last; null where there is none. */
export const barcode = signal<Barcode | null>(null);
/** Why the last thing that the user asked for did not work; null where it did. */
export const trouble = signal<Problem | null>(null);
/** A chosen photo is being answered. */
export const isOpening = signal(false);
