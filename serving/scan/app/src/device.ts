/** What this device is called towards the server. */

import { toHex } from "ghostlens";
import { recall, remember } from "./remembering.ts";

const KEPT = "ghostlens.device";
let known: string | null = null;

/** Returns this device's random id: the same in checks, reports, usage and corrections. */
export function deviceId(): string {
  known ??= recall(KEPT);
  if (known === null) {
    known = makeUuid();
    remember(KEPT, known);
  }
  return known;
}

/** Returns a random UUID, of version 4. `crypto.randomUUID` is missing on pages without TLS. */
export function makeUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] ?? 0) & 0x0f | 0x40;
  bytes[8] = (bytes[8] ?? 0) & 0x3f | 0x80;
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
