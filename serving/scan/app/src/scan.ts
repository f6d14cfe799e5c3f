/** A settled answer to one picture: what is counted, and what can be corrected. */

import type { Recognition } from "ghostlens";
import type { Accelerator } from "./recognising/recogniser.ts";

/** Who gave an answer, and how long it took. */
export type Source =
  | { readonly by: "device"; readonly accelerator: Accelerator; readonly tookMs: number }
  | {
      readonly by: "server";
      /** Which network of the release answered there: the wider one, or the phone's own. */
      readonly network: "cloud" | "device";
      /** From the request to the answer, as it was here. */
      readonly tookMs: number;
    };

/** What a package's barcode says. */
export interface Barcode {
  /** As the browser names it: "ean_13", "upc_a". */
  readonly format: string;
  readonly value: string;
}

export interface Scan {
  readonly model: string;
  /** The version in use on this device; the server is asked for answers of the same one. */
  readonly version: string;
  /** All labels of that version. */
  readonly labels: readonly string[];
  /** Labels, never translated names. Answers of the server hold its five likeliest alone. */
  readonly recognition: Recognition;
  readonly source: Source;
  /** When the picture was taken. */
  readonly at: Date;
  /** The picture as JPEG, at most 1024 pixels on its longer side; null where none could be made. */
  readonly photo: Blob | null;
  readonly barcode: Barcode | null;
}

/** Returns which network of the release answered. */
export function networkOf({ source }: Scan): "cloud" | "device" {
  return source.by === "server" ? source.network : "device";
}

/** Returns the label that an answer stands for; null where it stands for none. */
export function findLabel({ verdict, answers }: Recognition): string | null {
  return verdict === "sure" ? (answers[0]?.label ?? null) : null;
}
