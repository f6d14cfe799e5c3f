/**
 * From a decoded photo to the input's pixels: resize and crop, to the bit as Pillow does it.
 *
 * Browsers and phones scale by other filters, which costs accuracy and fails the self-test. Decode
 * and turn first; canvas and `createImageBitmap` turn by EXIF on their own.
 */

import { ConfigError } from "./errors.js";
import type { Preprocess } from "./manifest.js";

/** Pixels in rows, from the upper left corner. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** 3 bytes a pixel (RGB) or 4 (RGBA, of which A is left out), as a canvas gives them. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

interface Filter {
  readonly support: number;
  readonly weigh: (x: number) => number;
}

/** Where an output sample begins in the input, and its weights there, as whole numbers. */
interface Window {
  readonly start: number;
  readonly weights: Int32Array;
}

/** Pillow's fixed point for 8-bit samples: 32 bits less 8 for the sample and 2 for overshoot. */
const PRECISION_BITS = 22;
const CHANNELS = 3;
const BICUBIC_A = -0.5;

const FILTERS: Readonly<Record<Preprocess["resampler"], Filter>> = {
  bilinear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weigh: weighBicubic },
  lanczos: { support: 3, weigh: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Resizes a turned photo so that its shorter side fits, and crops the middle.
 *
 * @returns uint8 RGB, input_px rows of input_px pixels. LiteRT takes them as float32 [1, H, W, 3],
 *     ExecuTorch as float32 [1, 3, H, W]; 0 to 255, as the model scales them itself.
 * @throws ConfigError the data do not have the size that is said.
 */
export function preprocess(photo: Pixels, by: Preprocess): Uint8Array {
  return scale(photo, by, () => by.inputPx).data;
}

/**
 * Resizes a turned photo so that its shorter side fits, without the crop: to show what happens.
 *
 * The central input_px x input_px of it, offsets rounded down, are what `preprocess` returns.
 *
 * @throws ConfigError the data do not have the size that is said.
 */
export function resize(photo: Pixels, by: Preprocess): Pixels {
  return scale(photo, by, (side) => side);
}

/** @param keep says how much of a resized side is kept, of its middle. */
function scale(
  { width, height, data }: Pixels,
  by: Preprocess,
  keep: (side: number) => number,
): Pixels & { readonly data: Uint8Array } {
  const stride = data.length / (width * height);
  if (!(width >= 1 && height >= 1) || (stride !== 3 && stride !== 4)) {
    throw new ConfigError(
      `${data.length} bytes for ${width} x ${height} pixels: allowed are 3 or 4 bytes a pixel`,
    );
  }
  const filter = FILTERS[by.resampler];
  const short = Math.min(width, height);
  const [outWidth, outHeight] = [scaleSide(width, short, by), scaleSide(height, short, by)];
  const columns = makeWindows(filter, width, outWidth, keep(outWidth));
  const rows = makeWindows(filter, height, outHeight, keep(outHeight));
  const band = resizeColumns({ width, height, data }, stride, columns, rows);
  const out = resizeRows(band, columns.length, rows);
  return { width: columns.length, height: rows.length, data: out };
}

/** Returns a side after the resize: in proportion, rounded half up, in whole numbers. */
function scaleSide(side: number, short: number, by: Preprocess): number {
  return Math.floor((2 * side * by.resizePx + short) / (2 * short));
}

/** Returns the windows of those output samples that the central crop keeps. */
function makeWindows(filter: Filter, inSize: number, outSize: number, kept: number): Window[] {
  const first = Math.floor((outSize - kept) / 2);
  return Array.from({ length: kept }, (_, index) => {
    return makeWindow(filter, inSize, outSize, first + index);
  });
}

/** The filter's support grows with the factor of reduction, against aliasing. */
function makeWindow(filter: Filter, inSize: number, outSize: number, index: number): Window {
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
    const scaled = (sum === 0 ? weight : weight / sum) * 2 ** PRECISION_BITS;
    return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  });
}

/** Horizontally, in the rows that the vertical pass needs; others stay 0. */
function resizeColumns(
  photo: Pixels,
  stride: number,
  columns: readonly Window[],
  rows: readonly Window[],
): Uint8Array {
  const { width, height, data } = photo;
  const out = new Uint8Array(height * columns.length * CHANNELS);
  const first = rows[0]?.start ?? 0;
  const last = rows.at(-1);
  const stop = last === undefined ? 0 : last.start + last.weights.length;
  for (let y = first; y < stop; y++) {
    columns.forEach(({ start, weights }, x) => {
      const from = (y * width + start) * stride;
      sumInto(out, (y * columns.length + x) * CHANNELS, data, from, stride, weights);
    });
  }
  return out;
}

/** Vertically. */
function resizeRows(data: Uint8Array, width: number, rows: readonly Window[]): Uint8Array {
  const out = new Uint8Array(rows.length * width * CHANNELS);
  rows.forEach(({ start, weights }, y) => {
    for (let x = 0; x < width; x++) {
      const from = (start * width + x) * CHANNELS;
      sumInto(out, (y * width + x) * CHANNELS, data, from, width * CHANNELS, weights);
    }
  });
  return out;
}

/** Weighs the samples of one output pixel, and rounds to 8 bits. */
function sumInto(
  out: Uint8Array,
  to: number,
  data: Uint8Array | Uint8ClampedArray,
  from: number,
  step: number,
  weights: Int32Array,
): void {
  const half = 2 ** (PRECISION_BITS - 1);
  let [red, green, blue] = [half, half, half];
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index] ?? 0;
    const at = from + index * step;
    red += weight * (data[at] ?? 0);
    green += weight * (data[at + 1] ?? 0);
    blue += weight * (data[at + 2] ?? 0);
  }
  out[to] = clip(red);
  out[to + 1] = clip(green);
  out[to + 2] = clip(blue);
}

function clip(sum: number): number {
  return Math.min(255, Math.max(0, sum >> PRECISION_BITS));
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
