/** What the page and the recogniser's worker tell each other. */

import type { Manifest } from "ghostlens";
import type { Accelerator, Scores } from "./recogniser.ts";

/** Of a release, what the worker needs. */
export interface Opening {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly preprocess: Manifest["preprocess"];
  readonly labels: number;
  /** Which processor is used; null for the better one. */
  readonly only: Accelerator | null;
  /** Where the runtime's files lie. */
  readonly runtime: string;
}

export type Task =
  | { readonly kind: "open"; readonly opening: Opening }
  | { readonly kind: "photo"; readonly photo: Uint8Array }
  | { readonly kind: "frame"; readonly frame: ImageBitmap };

export interface Order {
  readonly id: number;
  readonly task: Task;
}

/** What came of an order; opening has no scores. */
export type Outcome =
  | { readonly kind: "done"; readonly scores: Scores | null; readonly accelerator: Accelerator }
  | { readonly kind: "failed"; readonly error: string; readonly message: string };

export interface Reply {
  readonly id: number;
  readonly outcome: Outcome;
}
