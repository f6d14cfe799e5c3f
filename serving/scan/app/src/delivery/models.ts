/** The model on this device: which one runs, and how a newer one comes. */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { InstalledModel } from "ghostlens";
import type { Problem } from "../problem.ts";
import type { Recogniser } from "../recognising/recogniser.ts";

/** What is in use. */
export interface Running {
  readonly model: InstalledModel;
  readonly recogniser: Recogniser;
  /** The version that can be gone back to; null where there is none. */
  readonly former: string | null;
}

/** What is going on beside it. */
export type Activity =
  | { readonly kind: "idle" }
  | { readonly kind: "checking" }
  | { readonly kind: "downloading"; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: "testing" };

const runningState = signal<Running | null>(null);
const activityState = signal<Activity>({ kind: "idle" });
const problemState = signal<Problem | null>(null);

/** Null while there is no model to scan with. */
export const running: ReadonlySignal<Running | null> = runningState;
export const activity: ReadonlySignal<Activity> = activityState;
/** Why the last start, check or download did not go through; null where it did. */
export const problem: ReadonlySignal<Problem | null> = problemState;

/** Starts the kept model, if there is one, and looks for a newer one. */
export async function startModel(): Promise<void> {}

/** Looks for a newer model, and takes it where the server offers one. */
export async function updateModel(): Promise<void> {}

/** Runs the former version from now on; the one left is not taken again by itself. */
export async function goBack(): Promise<void> {}
