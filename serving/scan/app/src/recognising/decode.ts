/**
 * From a photo's bytes to pixels, as `training/preprocess.py` defines it; on the page and in workers.
 *
 * The browser decodes and turns; it never scales, as its filters are others than the release's.
 */

import type { Area, Pixels } from "ghostlens";
import { PhotoError, PhotoSizeError } from "./errors.ts";

/** What the server takes as well. */
export const MAX_PIXELS = 52_000_000;
export const MAX_ASPECT = 20;
/** Pixels of a canvas; those of phones refuse some four times as many. */
const MAX_CANVAS_PIXELS = 1 << 22;

type Context = OffscreenCanvasRenderingContext2D;

/**
 * Decodes a photo and turns it as its EXIF tag says, without regard to colour profiles.
 *
 * @throws PhotoError the browser cannot decode it.
 * @throws PhotoSizeError it is too large or too thin.
 */
export async function openPhoto(photo: Uint8Array): Promise<ImageBitmap> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([photo as Uint8Array<ArrayBuffer>]), {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
    });
  } catch (error) {
    throw new PhotoError("not a photo that this browser can decode", { cause: error });
  }
  const complaint = describeSize(bitmap.width, bitmap.height);
  if (complaint === null) return bitmap;
  bitmap.close();
  throw new PhotoSizeError(complaint);
}

/** Returns what is wrong with a photo's size; null where it is allowed. */
export function describeSize(width: number, height: number): string | null {
  if (width * height > MAX_PIXELS) {
    const megapixels = ((width * height) / 1e6).toFixed(1);
    return `${width} x ${height} is ${megapixels} megapixels; allowed are ${MAX_PIXELS / 1e6}`;
  }
  if (Math.max(width, height) > MAX_ASPECT * Math.min(width, height)) {
    return `${width} x ${height} is too thin; allowed are up to ${MAX_ASPECT} : 1`;
  }
  return null;
}

/** Reads pixels of pictures through one canvas, which it keeps. */
export class PixelReader {
  private context: Context | null = null;

  /** Reads a part of a picture in strips, from the top; each is given with its place. */
  readStrips(picture: ImageBitmap, area: Area, take: (strip: Pixels, top: number) => void): void {
    const rows = Math.max(1, Math.min(area.height, Math.floor(MAX_CANVAS_PIXELS / area.width)));
    const context = this.findContext(area.width, rows);
    for (let done = 0; done < area.height; done += rows) {
      const height = Math.min(rows, area.height - done);
      const top = area.top + done;
      context.fillRect(0, 0, area.width, height);
      context.drawImage(picture, -area.left, -top);
      take(context.getImageData(0, 0, area.width, height), top);
    }
  }

  private findContext(width: number, height: number): Context {
    const { context } = this;
    if (context?.canvas.width === width && context.canvas.height === height) return context;
    const canvas = new OffscreenCanvas(width, height);
    // Readings go through memory: a canvas in the graphics processor is slower, and rounds.
    const made = canvas.getContext("2d", { willReadFrequently: true });
    if (made === null) throw new PhotoError("the browser gives no canvas to read the photo from");
    // What is transparent lies on white, as it does for the server.
    made.fillStyle = "#fff";
    made.imageSmoothingEnabled = false;
    this.context = made;
    return made;
  }
}

/**
 * Decodes a whole photo, for pages that show what happens to it.
 *
 * @returns turned, 4 bytes a pixel; what was transparent lies on white.
 * @throws PhotoError see `openPhoto`.
 */
export async function decodePhoto(photo: Uint8Array): Promise<Pixels> {
  const bitmap = await openPhoto(photo);
  try {
    const { width, height } = bitmap;
    const data = new Uint8ClampedArray(width * height * 4);
    const area = { left: 0, top: 0, width, height };
    new PixelReader().readStrips(bitmap, area, (strip, top) => data.set(strip.data, top * width * 4));
    return { width, height, data };
  } finally {
    bitmap.close();
  }
}
