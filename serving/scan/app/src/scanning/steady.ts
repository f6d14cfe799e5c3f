/** Makes one answer that stands still out of answers to many frames. */

import type { Named, Recognition } from "ghostlens";

/** What an earlier frame still counts, from one frame to the next. */
export const DECAY = 0.7;
/** How many frames such an average is worth: as a mean of so many would vary. */
export const AVERAGED_FRAMES = Math.ceil((1 + DECAY) / (1 - DECAY));
/** From this total variation distance on, more than half of the probability is elsewhere. */
export const JUMP = 0.5;
/** Another answer is shown once it was given for so many frames in a row: 0.3 s. */
export const LAG_FRAMES = 3;
/** A name passes another when it is ahead by this probability. */
export const ORDER_MARGIN = 0.05;
/** How many names are shown. */
export const SHOWN = 3;

/** What the network says of one frame. */
export interface FrameScores {
  readonly probabilities: ArrayLike<number>;
  readonly knownScore: number;
}

/** The answer as it is shown. */
export interface Steady {
  readonly recognition: Recognition;
  /** The answer to what is seen now, which is shown once it lasts; null for a frame left out. */
  readonly current: Recognition | null;
  /** The first names in an order that does not flicker. */
  readonly top: readonly Named[];
  /** For how many frames of this picture it has been this answer. */
  readonly frames: number;
  /** Counts the pictures: it grows when the camera looks at something else. */
  readonly view: number;
}

/**
 * Averages what the network says of a picture, the latest frames counting most.
 *
 * The network's own outputs are averaged and judged once, so that temperature and thresholds apply
 * to the average as they do to one photo. Where two frames agree with each other and not with the
 * average, the camera looks at something else: the average starts anew. One alone that differs is
 * a blurred frame, and is left out.
 */
export class FrameAverage {
  private mean: number[] = [];
  private known = 0;
  private odd: FrameScores | null = null;
  /** Counts the pictures, from 1. */
  view = 0;

  add(frame: FrameScores): FrameScores {
    if (this.view === 0) this.restart(frame);
    else if (differ(frame.probabilities, this.mean) <= JUMP) {
      this.odd = null;
      this.mix(frame);
    } else if (this.odd === null) {
      this.odd = frame;
    } else if (differ(frame.probabilities, this.odd.probabilities) <= JUMP) {
      this.restart(this.odd);
      this.mix(frame);
    } else {
      this.mix(this.odd);
      this.odd = frame;
    }
    return { probabilities: this.mean, knownScore: this.known };
  }

  /** Whether the last frame was left out, for now. */
  get isLeftOut(): boolean {
    return this.odd !== null;
  }

  private restart({ probabilities, knownScore }: FrameScores): void {
    [this.mean, this.known, this.odd] = [Array.from(probabilities), knownScore, null];
    this.view += 1;
  }

  private mix({ probabilities, knownScore }: FrameScores): void {
    this.mean = this.mean.map((old, i) => DECAY * old + (1 - DECAY) * (probabilities[i] ?? 0));
    this.known = DECAY * this.known + (1 - DECAY) * knownScore;
  }
}

/** Averages and judges frames, and keeps what is shown from flickering. */
export class Steadier {
  private readonly average = new FrameAverage();
  private shown: Steady | null = null;
  private waiting = "";
  private waited = 0;

  /** @param judge what an average is worth. */
  constructor(private readonly judge: (scores: FrameScores) => Recognition) {}

  add(frame: FrameScores): Steady {
    const recognition = this.judge(this.average.add(frame));
    const { view, isLeftOut } = this.average;
    const current = isLeftOut ? null : recognition;
    const answer = nameAnswer(recognition);
    const before = this.shown;
    if (before !== null && answer !== nameAnswer(before.recognition)) {
      this.waited = answer === this.waiting ? this.waited + 1 : 1;
      this.waiting = answer;
      if (this.waited < LAG_FRAMES) return (this.shown = { ...before, current, view });
      const top = keepOrder([], recognition);
      this.shown = { recognition, current, top, frames: this.waited, view };
    } else {
      const frames = (before?.view === view ? before.frames : 0) + 1;
      const top = keepOrder(before?.top ?? [], recognition);
      this.shown = { recognition, current, top, frames, view };
    }
    [this.waiting, this.waited] = ["", 0];
    return this.shown;
  }
}

/** Returns what an answer says, without its figures: another one is another answer. */
export function nameAnswer({ verdict, answers, coarse }: Recognition): string {
  if (verdict === "sure") return `sure ${answers[0]?.label}`;
  return verdict === "coarse" ? `coarse ${coarse?.label}` : verdict;
}

/** Returns the first names; those shown before change places only where they clearly differ. */
export function keepOrder(before: readonly Named[], recognition: Recognition): readonly Named[] {
  const { answers, verdict } = recognition;
  const kept = before
    .map(({ label }) => answers.find((answer) => answer.label === label))
    .filter((answer) => answer !== undefined);
  const rest = answers.filter(({ label }) => !kept.some((answer) => answer.label === label));
  const order = [...kept, ...rest.slice(0, SHOWN)];
  for (let end = order.length; end > 1; end--) {
    for (let i = 1; i < end; i++) swapIfAhead(order, i, i <= kept.length ? ORDER_MARGIN : 0);
  }
  const first = answers[0];
  // A sure answer stands first, whatever stood there.
  if (verdict === "sure" && first !== undefined) {
    return [first, ...order.filter(({ label }) => label !== first.label)].slice(0, SHOWN);
  }
  return order.slice(0, SHOWN);
}

function swapIfAhead(order: Named[], at: number, margin: number): void {
  const [upper, lower] = [order[at - 1], order[at]];
  if (upper === undefined || lower === undefined) return;
  if (lower.probability > upper.probability + margin) [order[at - 1], order[at]] = [lower, upper];
}

/** Total variation distance: half the sum of differences, 0 to 1. */
function differ(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += Math.abs((left[i] ?? 0) - (right[i] ?? 0));
  return sum / 2;
}
