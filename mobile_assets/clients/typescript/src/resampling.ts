/** The filters of Pillow's resize: which samples make a new one, and with which weights. */

import type { Preprocess } from "./manifest.js";

interface Filter {
  readonly support: number;
  readonly weigh: (x: number) => number;
}

/** Of each new sample of a side: where it begins in the old ones, and its weights there. */
export interface Windows {
  readonly length: number;
  /** The first old sample of each. */
  readonly starts: Int32Array;
  /** Where the weights of each begin; one more, for the end of the last. */
  readonly offsets: Int32Array;
  /** Of all, one after the other, as whole numbers; those of one sample sum up to `UNIT`. */
  readonly weights: Int32Array;
}

/** Pillow's fixed point for 8-bit samples: 32 bits less 8 for the sample and 2 for overshoot. */
export const PRECISION_BITS = 22;
const UNIT = 2 ** PRECISION_BITS;
const BICUBIC_A = -0.5;

const FILTERS: Readonly<Record<Preprocess["resampler"], Filter>> = {
  bilinear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weigh: weighBicubic },
  lanczos: { support: 3, weigh: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Returns the windows of those new samples that a central crop to `kept` keeps. */
export function makeWindows(
  resampler: Preprocess["resampler"],
  inSize: number,
  outSize: number,
  kept: number,
): Windows {
  const first = Math.floor((outSize - kept) / 2);
  const made = Array.from({ length: kept }, (_, index) =>
    makeWindow(FILTERS[resampler], inSize, outSize, first + index),
  );
  const offsets = new Int32Array(kept + 1);
  made.forEach(({ weights }, index) => {
    offsets[index + 1] = (offsets[index] ?? 0) + weights.length;
  });
  const weights = new Int32Array(offsets[kept] ?? 0);
  made.forEach((window, index) => weights.set(window.weights, offsets[index]));
  return { length: kept, starts: Int32Array.from(made, ({ start }) => start), offsets, weights };
}

/** Returns the old samples that windows use, as the first and the one after the last. */
export function spanOf({ length, starts, offsets }: Windows): [start: number, stop: number] {
  const last = length - 1;
  const taps = (offsets[length] ?? 0) - (offsets[last] ?? 0);
  return [starts[0] ?? 0, (starts[last] ?? 0) + taps];
}

/** The filter's support grows with the factor of reduction, against aliasing. */
function makeWindow(
  filter: Filter,
  inSize: number,
  outSize: number,
  index: number,
): { start: number; weights: Int32Array } {
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const center = (index + 0.5) * scale;
  const start = Math.max(0, Math.trunc(center - filter.support * stretch + 0.5));
  const stop = Math.min(inSize, Math.trunc(center + filter.support * stretch + 0.5));
  // As Pillow multiplies by the inverse, so that the last bits are the same.
  const inverse = 1 / stretch;
  const weights = new Float64Array(stop - start).map((_, offset) =>
    filter.weigh((offset + start - center + 0.5) * inverse),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { start, weights: toFixedPoint(weights, sum) };
}

function toFixedPoint(weights: Float64Array, sum: number): Int32Array {
  return Int32Array.from(weights, (weight) => {
    const scaled = (sum === 0 ? weight : weight / sum) * UNIT;
    return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  });
}

function weighBicubic(x: number): number {
  const [a, distance] = [BICUBIC_A, Math.abs(x)];
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}
