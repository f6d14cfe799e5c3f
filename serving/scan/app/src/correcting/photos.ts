/** Whether the server keeps photos of corrections: without that none are offered to be sent. */

import { keepFact, readFact } from "../kept.ts";
import { ask } from "../server.ts";

/** The dialog waits for it. */
const LONGEST_MS = 1000;

/**
 * Returns for how many days the server keeps photos of corrections; null where it keeps none.
 *
 * Without a network, or on a slow one, it is what the server said last, and null where it never did.
 */
export async function findPhotoDays(model: string): Promise<number | null> {
  try {
    return await askPhotoDays(model, AbortSignal.timeout(LONGEST_MS));
  } catch {
    return readFact<number | null>(nameFact(model), null);
  }
}

/** Asks beforehand where the server never said: on a slow network the dialog does not wait for it. */
export async function learnPhotoDays(model: string): Promise<void> {
  if ((await readFact<number | null | undefined>(nameFact(model), undefined)) !== undefined) return;
  await askPhotoDays(model).catch(() => null);
}

async function askPhotoDays(model: string, signal?: AbortSignal): Promise<number | null> {
  const address = `/v1/models/${encodeURIComponent(model)}`;
  const answer = await ask(address, signal === undefined ? {} : { signal });
  const { correction_photos_days: days } = (await answer.json()) as {
    correction_photos_days?: number | null;
  };
  await keepFact(nameFact(model), days ?? null);
  return days ?? null;
}

function nameFact(model: string): string {
  return `photo-days:${model}`;
}
