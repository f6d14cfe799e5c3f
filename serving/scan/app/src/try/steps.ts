/** What happens to a photo before the network sees it, as pictures. */

import { type Pixels, type Preprocess, preprocess, resize } from "ghostlens";
import { decodePhoto } from "./decode.ts";

/** The photo after each step. */
export interface Steps {
  /** Decoded, and turned as its EXIF tag says. */
  readonly turned: Pixels;
  /** In proportion, so that the shorter side fits. */
  readonly resized: Pixels;
  /** The middle of it: what goes into the network. */
  readonly cropped: Pixels;
  /** Where the middle begins in the resized photo. */
  readonly corner: { readonly left: number; readonly top: number };
}

/** Takes the steps of the manifest, each as the recogniser takes it. */
export async function takeSteps(photo: Uint8Array, by: Preprocess): Promise<Steps> {
  const turned = await decodePhoto(photo);
  const resized = resize(turned, by);
  const side = by.inputPx;
  const cropped = { width: side, height: side, data: preprocess(turned, by) };
  const corner = {
    left: Math.floor((resized.width - side) / 2),
    top: Math.floor((resized.height - side) / 2),
  };
  return { turned, resized, cropped, corner };
}

/** Draws pixels, RGB or RGBA, into a canvas of their own size. */
export function draw(canvas: HTMLCanvasElement, { width, height, data }: Pixels): void {
  canvas.width = width;
  canvas.height = height;
  const stride = data.length / (width * height);
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let at = 0, from = 0; at < rgba.length; at += 4, from += stride) {
    for (let channel = 0; channel < 3; channel++) rgba[at + channel] = data[from + channel] ?? 0;
  }
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, width, height), 0, 0);
}
