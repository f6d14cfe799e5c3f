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
  const id = `photo-days:${model}`;
  try {
    const signal = AbortSignal.timeout(LONGEST_MS);
    const answer = await ask(`/v1/models/${encodeURIComponent(model)}`, { signal });
    const { correction_photos_days: days } = (await answer.json()) as {
      correction_photos_days?: number | null;
    };
    await keepFact(id, days ?? null);
    return days ?? null;
  } catch {
    return readFact<number | null>(id, null);
  }
}
