/** Where this device is used, as the shop calls it: "branch 12", "barn". */

import { signal } from "@preact/signals";
import { recall, remember } from "./remembering.ts";

const KEPT = "ghostlens.site";
/** What the server takes, in characters (Unicode code points). */
export const MAX_SITE_CHARS = 64;

/** Empty where nobody said. */
export const site = signal(recall(KEPT) ?? "");

/** Keeps it for later visits. */
export function keepSite(text: string): void {
  // Control characters are refused by the server.
  const plain = text.replace(/\p{Cc}/gu, " ").trim();
  site.value = Array.from(plain).slice(0, MAX_SITE_CHARS).join("");
  remember(KEPT, site.value);
}
