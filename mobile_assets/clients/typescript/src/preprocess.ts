/**
 * From a decoded photo to the input's pixels: resize and crop, to the bit as Pillow does it.
 *
 * Browsers and phones scale by other filters, which costs accuracy and fails the self-test. Decode
 * and turn first; canvas and `createImageBitmap` turn by EXIF on their own.
 */

import { ConfigError } from "./errors.js";
import type { Preprocess } from "./manifest.js";
import { PRECISION_BITS, type Windows, makeWindows, spanOf } from "./resampling.js";

/** Pixels in rows, from the upper left corner. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** 3 bytes a pixel (RGB) or 4 (RGBA, of which A is left out), as a canvas gives them. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A part of a photo, in pixels from its upper left corner. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const CHANNELS = 3;
const HALF = 1 << (PRECISION_BITS - 1);

/**
 * Resizes a turned photo so that its shorter side fits, and crops the middle.
 *
 * @returns uint8 RGB, input_px rows of input_px pixels. LiteRT takes them as float32 [1, H, W, 3],
 *     ExecuTorch as float32 [1, 3, H, W]; 0 to 255, as the model scales them itself.
 * @throws ConfigError the data do not have the size that is said.
 */
export function preprocess(photo: Pixels, by: Preprocess): Uint8Array {
  const preparation = new Preparation(photo.width, photo.height, by);
  preparation.add(photo, 0, 0);
  return preparation.finish();
}

/**
 * Resizes a turned photo so that its shorter side fits, without the crop: to show what happens.
 *
 * The central input_px x input_px of it, offsets rounded down, are what `preprocess` returns.
 *
 * @throws ConfigError the data do not have the size that is said.
 */
export function resize(photo: Pixels, by: Preprocess): Pixels {
  const preparation = new Preparation(photo.width, photo.height, by, true);
  preparation.add(photo, 0, 0);
  const { outWidth: width, outHeight: height } = preparation;
  return { width, height, data: preparation.finish() };
}

/**
 * What `preprocess` does, for many photos of one size, as from a camera: the weights are worked out
 * once, only the part that the crop keeps needs to be read, and it may come in strips, as from a
 * canvas that cannot hold it whole.
 */
export class Preparation {
  /** The part of the photo that is needed. */
  readonly area: Area;
  private readonly columns: Windows;
  private readonly rows: Windows;
  /** The rows of the area, resized horizontally. */
  private readonly band: Uint8Array;
  private rowsAdded = 0;

  /**
   * @param width of the whole photo, turned, in pixels; so is `height`.
   * @param whole keeps all of it, without the crop.
   * @throws ConfigError there are no such photos.
   */
  constructor(
    readonly width: number,
    readonly height: number,
    by: Preprocess,
    whole = false,
  ) {
    if (!(width >= 1 && height >= 1)) {
      throw new ConfigError(`a photo of ${width} x ${height} pixels: each side needs at least 1`);
    }
    const short = Math.min(width, height);
    this.columns = makeSide(width, short, by, whole);
    this.rows = makeSide(height, short, by, whole);
    const [left, right] = spanOf(this.columns);
    const [top, bottom] = spanOf(this.rows);
    this.area = { left, top, width: right - left, height: bottom - top };
    this.band = new Uint8Array(this.area.height * this.columns.length * CHANNELS);
  }

  /** The size of what `finish` returns, in pixels. */
  get outWidth(): number {
    return this.columns.length;
  }

  get outHeight(): number {
    return this.rows.length;
  }

  /**
   * Takes a strip of the photo, as wide as the area at least; strips come from the top downwards.
   *
   * @param left where it begins in the photo, in pixels; so is `top`.
   * @throws ConfigError the data do not have the size that is said, or it is too narrow.
   */
  add({ width, height, data }: Pixels, left: number, top: number): void {
    const stride = data.length / (width * height);
    if (!(width >= 1 && height >= 1) || (stride !== 3 && stride !== 4)) {
      throw new ConfigError(
        `${data.length} bytes for ${width} x ${height} pixels: allowed are 3 or 4 bytes a pixel`,
      );
    }
    // One kind of array, so that the inner loop is compiled for that one.
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
    const { area } = this;
    if (left > area.left || left + width < area.left + area.width) {
      throw new ConfigError(
        `columns ${left} to ${left + width}: ${area.left} to ${area.left + area.width} are needed`,
      );
    }
    const first = Math.max(top, area.top);
    const stop = Math.min(top + height, area.top + area.height);
    for (let y = first; y < stop; y++) {
      const from = ((y - top) * width - left) * stride;
      const to = (y - area.top) * this.columns.length * CHANNELS;
      resizeRow(bytes, from, stride, this.columns, this.band, to);
      this.rowsAdded++;
    }
  }

  /**
   * Returns what `preprocess` returns, once all rows of the area were added.
   *
   * @throws ConfigError rows are missing, or came twice.
   */
  finish(): Uint8Array {
    const [found, wanted] = [this.rowsAdded, this.area.height];
    this.rowsAdded = 0;
    if (found !== wanted) throw new ConfigError(`${found} rows were added: ${wanted} are needed`);
    return resizeColumns(this.band, this.columns.length * CHANNELS, this.rows);
  }
}

/** In proportion, rounded half up, in whole numbers; of that the middle, if it is cropped. */
function makeSide(side: number, short: number, by: Preprocess, whole: boolean): Windows {
  const scaled = Math.floor((2 * side * by.resizePx + short) / (2 * short));
  return makeWindows(by.resampler, side, scaled, whole ? scaled : by.inputPx);
}

/** @param from where the row's first pixel lies in `data`; it may lie before its beginning. */
function resizeRow(
  data: Uint8Array,
  from: number,
  stride: number,
  columns: Windows,
  out: Uint8Array,
  to: number,
): void {
  for (let x = 0; x < columns.length; x++) {
    const first = from + (columns.starts[x] ?? 0) * stride;
    weigh(data, first, stride, columns, x, out, to + x * CHANNELS);
  }
}

function resizeColumns(band: Uint8Array, rowBytes: number, rows: Windows): Uint8Array {
  const out = new Uint8Array(rows.length * rowBytes);
  const [top] = spanOf(rows);
  for (let y = 0; y < rows.length; y++) {
    const first = ((rows.starts[y] ?? 0) - top) * rowBytes;
    for (let x = 0; x < rowBytes; x += CHANNELS) {
      weigh(band, first + x, rowBytes, rows, y, out, y * rowBytes + x);
    }
  }
  return out;
}

/**
 * Weighs the samples of one new pixel, and rounds to 8 bits.
 *
 * Here a page spends its time: all is 32-bit whole numbers, which the sums fit, as in Pillow.
 *
 * @param at the first old pixel in `data`; the next is `step` further.
 */
function weigh(
  data: Uint8Array,
  at: number,
  step: number,
  { offsets, weights }: Windows,
  index: number,
  out: Uint8Array,
  to: number,
): void {
  let [red, green, blue] = [HALF, HALF, HALF];
  const stop = offsets[index + 1]!;
  for (let tap = offsets[index]!; tap < stop; tap++) {
    const weight = weights[tap]!;
    red = (red + Math.imul(weight, data[at]!)) | 0;
    green = (green + Math.imul(weight, data[at + 1]!)) | 0;
    blue = (blue + Math.imul(weight, data[at + 2]!)) | 0;
    at += step;
  }
  out[to] = clip(red);
  out[to + 1] = clip(green);
  out[to + 2] = clip(blue);
}

function clip(sum: number): number {
  const level = sum >> PRECISION_BITS;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}
