/** Asks the server for the names of a photo: the fallback where this device is unsure. */

import type { Named, Recognition, Verdict } from "ghostlens";
import type { Source } from "../scan.ts";
import { ask, OfflineError } from "../server.ts";

/** How long the server may take; a person holds an item meanwhile. */
export const LIMIT_MS = 8000;
const TOP = 5;

/** The user went on. */
export class CancelledError extends Error {}
/** The server did not answer in time. */
export class SlowError extends Error {}
/** The server's answer is none that this page understands. */
export class AnswerError extends Error {}

export interface ServerAnswer {
  readonly recognition: Recognition;
  readonly source: Source;
}

/**
 * Asks for the names of a photo, by the network that the server has of a version.
 *
 * @param photo as JPEG.
 * @param cancel ends it.
 * @throws OfflineError, RefusedError as `ask` does.
 * @throws CancelledError, SlowError, AnswerError
 */
export async function askServer(
  model: string,
  version: string,
  photo: Blob,
  cancel: AbortSignal,
): Promise<ServerAnswer> {
  const limit = new AbortController();
  const stop = (): void => limit.abort();
  const timer = setTimeout(stop, LIMIT_MS);
  cancel.addEventListener("abort", stop);
  const startedMs = performance.now();
  const query = new URLSearchParams({ version, top_k: String(TOP) });
  try {
    const response = await ask(`/v1/models/${encodeURIComponent(model)}/recognise?${query}`, {
      method: "POST",
      headers: { "Content-Type": "image/jpeg" },
      body: photo,
      signal: limit.signal,
    });
    const answer = readAnswer(await response.json());
    const tookMs = performance.now() - startedMs;
    return { recognition: answer, source: { by: "server", network: answer.network, tookMs } };
  } catch (error) {
    if (cancel.aborted) throw new CancelledError("the user went on", { cause: error });
    if (limit.signal.aborted) throw new SlowError(`no answer in ${LIMIT_MS} ms`, { cause: error });
    if (error instanceof SyntaxError) throw new AnswerError(error.message, { cause: error });
    if (error instanceof TypeError) throw new OfflineError(error.message, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    cancel.removeEventListener("abort", stop);
  }
}

/**
 * Reads an answer of `POST /v1/models/{model}/recognise`.
 *
 * @throws AnswerError it lacks what it must have.
 */
export function readAnswer(data: unknown): Recognition & { readonly network: "cloud" | "device" } {
  const found = (data ?? {}) as Record<string, unknown>;
  const { verdict, answers, coarse, answered_by: network } = found;
  if (!isVerdict(verdict) || !isNames(answers) || (network !== "cloud" && network !== "device")) {
    throw new AnswerError("the answer lacks verdict, answers or answered_by");
  }
  const kind = coarse as (Named & { choices: unknown }) | null;
  if (kind === null) return { verdict, answers, coarse: null, network };
  if (!isNames([kind]) || !isNames(kind.choices)) throw new AnswerError("coarse is malformed");
  return { verdict, answers, coarse: { ...kind, choices: kind.choices }, network };
}

function isVerdict(value: unknown): value is Verdict {
  return ["sure", "coarse", "unsure", "unknown"].includes(value as string);
}

function isNames(value: unknown): value is Named[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every((entry: Partial<Named> | null) => {
    return typeof entry?.label === "string" && typeof entry.probability === "number";
  });
}
