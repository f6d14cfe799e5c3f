/** What the last check found, in words. */

import type { Checked } from "../delivery/models.ts";
import type { Word } from "../words/words.ts";

const OUTCOMES: Record<string, Word> = {
  "up-to-date": "settings.outcome.upToDate",
  first: "settings.outcome.taken",
  "new-version": "settings.outcome.taken",
  "rolled-back": "settings.outcome.taken",
  "other-content": "settings.outcome.taken",
  "refused-here": "settings.outcome.refused",
  "no-space": "settings.outcome.noSpace",
  network: "settings.outcome.metered",
  withdrawn: "settings.outcome.withdrawn",
};

/** Returns what to say of a check; null where only its time is known. */
export function findOutcome({ code }: Pick<Checked, "code">): Word | null {
  if (code === "") return null;
  return OUTCOMES[code] ?? "settings.outcome.waiting";
}
