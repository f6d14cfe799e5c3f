/** Do this device and the server say the same of a photo? */

import type { Named, Recognition } from "ghostlens";
import type { CloudAnswer } from "./cloud.ts";

export interface Agreement {
  /** Whether the same network answered in both places; else probabilities cannot be compared. */
  readonly sameNetwork: boolean;
  /** Whether both name the same first. */
  readonly sameName: boolean;
  readonly sameVerdict: boolean;
  /** The largest difference of one probability over labels that both named; 0 to 1. */
  readonly largestDifference: number;
  /** Over how many labels. */
  readonly labels: number;
}

/** Returns what a device says of a photo, in the words that the server has for it. */
export function inWords({ verdict, answers, coarse }: Recognition): string {
  const first = answers[0]?.label ?? "";
  if (verdict === "sure") return first;
  if (verdict === "unknown") return `not a known item (nearest: ${first})`;
  if (verdict !== "coarse" || coarse === null) return `not sure: perhaps ${first}`;
  const [only, ...others] = coarse.choices;
  return others.length === 0 && only !== undefined
    ? `likely ${only.label}`
    : `${coarse.label} (which one is not sure)`;
}

/** Compares calibrated answers, as `judge` and the server give them. */
export function compare(device: Recognition, cloud: CloudAnswer): Agreement {
  const here = new Map(device.answers.map(({ label, probability }) => [label, probability]));
  const both = cloud.answers.filter(({ label }) => here.has(label));
  const differences = both.map(({ label, probability }: Named) =>
    Math.abs(probability - (here.get(label) ?? 0)),
  );
  return {
    sameNetwork: cloud.answered_by === "device",
    sameName: device.answers[0]?.label === cloud.answers[0]?.label,
    sameVerdict: device.verdict === cloud.verdict,
    largestDifference: Math.max(0, ...differences),
    labels: both.length,
  };
}
