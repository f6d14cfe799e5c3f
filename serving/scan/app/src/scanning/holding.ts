/** When an answer is held by itself, so that nobody has to press anything. */

import type { Recognition } from "ghostlens";
import { findLabel } from "../scan.ts";
import { AVERAGED_FRAMES, LAG_FRAMES } from "./steady.ts";

/**
 * How many frames in a row must be sure of the same label.
 *
 * As many as the average is worth: before, it leans on fewer pictures than it could; after, more
 * frames of the same view say hardly more. At ten frames a second at most that is half a second,
 * in which a camera that sweeps past looks at something else.
 */
export const HOLD_FRAMES = AVERAGED_FRAMES;

/** Counts frames whose average is sure, and says once when that is enough. */
export class AutomaticHold {
  private label: string | null = null;
  private frames = 0;
  private done: string | null = null;
  private doneAway = 0;

  /**
   * Looks at the answer to one more frame.
   *
   * @returns whether it is to be held. The label that was held last is not held again until
   *     something else was seen in between: the same item would be held, and counted, twice.
   */
  add(recognition: Recognition): boolean {
    const label = findLabel(recognition);
    if (this.done !== null) this.doneAway = label === this.done ? 0 : this.doneAway + 1;
    if (this.doneAway >= LAG_FRAMES) [this.done, this.doneAway] = [null, 0];
    this.frames = label === null || label !== this.label ? 0 : this.frames;
    this.label = label;
    if (label === null) return false;
    this.frames += 1;
    return this.frames >= HOLD_FRAMES && label !== this.done;
  }

  /** Notes that an answer was held, by itself or by hand, and that the user goes on. */
  goOn(label: string | null): void {
    [this.label, this.frames, this.done, this.doneAway] = [null, 0, label, 0];
  }
}
