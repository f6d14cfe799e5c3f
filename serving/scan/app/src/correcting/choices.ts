/** What a correction can choose from, and whether its photo would be kept. */

import { keepFact, readFact } from "../kept.ts";
import type { Scan } from "../scan.ts";
import { ask } from "../server.ts";
import { running } from "../delivery/models.ts";

/**
 * Returns the labels of the version that answered a scan.
 *
 * The server may have answered with another version than this device's: its labels are asked for.
 * Where that fails, they are those of this device's, and at least those that were answered.
 */
export async function findLabels(scan: Scan): Promise<readonly string[]> {
  const model = running.value?.model;
  const own = model?.manifest.model === scan.model ? model.manifest : null;
  if (own?.version === scan.version) return own.labels;
  try {
    const path = `/v1/models/${encodeURIComponent(scan.model)}/versions/`;
    const answer = await ask(path + encodeURIComponent(scan.version));
    const { manifest } = (await answer.json()) as { manifest: { labels: string[] } };
    return manifest.labels;
  } catch (error) {
    console.warn("the labels of the version that answered cannot be had:", error);
    return own?.labels ?? scan.recognition.answers.map(({ label }) => label);
  }
}

/**
 * Returns for how many days the server keeps photos of corrections; null where it keeps none.
 *
 * Without a network it is what the server said last, and null where it never did.
 */
export async function findPhotoDays(model: string): Promise<number | null> {
  const id = `photo-days:${model}`;
  try {
    const answer = await ask(`/v1/models/${encodeURIComponent(model)}`);
    const { correction_photos_days: days } = (await answer.json()) as {
      correction_photos_days?: number | null;
    };
    await keepFact(id, days ?? null);
    return days ?? null;
  } catch {
    return readFact<number | null>(id, null);
  }
}
