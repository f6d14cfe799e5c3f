/** A correction as the API takes it; see docs/corrections.md. */

import { networkOf, type Scan } from "../scan.ts";
import type { Correction, Right } from "./queue.ts";

/** What a correction says beside the scan and what is right. */
export interface Sender {
  readonly id: string;
  readonly deviceId: string;
  /** Empty where nobody said where this is. */
  readonly site: string;
  /** SHA-256 of the scan's photo, by which the server finds the same one again; null for none. */
  readonly photoSha256: string | null;
}

/** Returns the request's document. */
export function describe(scan: Scan, right: Right, sender: Sender): Correction["document"] {
  const [best] = scan.recognition.answers;
  return {
    correction_id: sender.id,
    device_id: sender.deviceId,
    scanned_at: scan.at.toISOString(),
    version: scan.version,
    answered: {
      label: best?.label ?? null,
      probability: best === undefined ? null : Math.min(1, best.probability),
      verdict: scan.recognition.verdict,
      by: networkOf(scan),
    },
    right,
    ...(sender.site === "" ? {} : { site: sender.site }),
    ...(sender.photoSha256 === null ? {} : { photo_sha256: sender.photoSha256 }),
  };
}

/** Returns the body of the request: JSON, or a form where a photo goes with it. */
export function writeBody({ document, photo }: Correction): RequestInit {
  const json = JSON.stringify(document);
  if (photo === null) return { body: json, headers: { "Content-Type": "application/json" } };
  const form = new FormData();
  form.set("correction", json);
  form.set("photo", photo, "photo.jpg");
  return { body: form };
}
