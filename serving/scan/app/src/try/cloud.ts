/** The same photo, asked of the server. */

import type { Named, Verdict } from "ghostlens";
import { ask } from "../server.ts";
import { LOGIN } from "./fetching.ts";

/** What the server says of a photo. */
export interface CloudAnswer {
  readonly answered_by: "cloud" | "device";
  readonly architecture: string;
  readonly verdict: Verdict;
  /** In words, as one would say it. */
  readonly words: string;
  /** The likeliest first. */
  readonly answers: readonly Named[];
  readonly coarse: (Named & { readonly choices: readonly Named[] }) | null;
  readonly timings_ms: Readonly<Record<string, number>>;
}

/** The most that the server names at once: all labels, of any usual model. */
const TOP_K = "1000";

/**
 * Sends a photo to the server, which does not keep it.
 *
 * @throws OfflineError, RefusedError see `ask`.
 */
export async function askCloud(
  model: string,
  version: string,
  photo: Blob,
): Promise<CloudAnswer> {
  const query = new URLSearchParams({ version, top_k: TOP_K });
  const form = new FormData();
  form.set("photo", photo, "photo");
  const response = await ask(`/v1/models/${model}/recognise?${query}`, {
    method: "POST",
    body: form,
    headers: LOGIN,
  });
  return (await response.json()) as CloudAnswer;
}
