/** What happens to a photo before the network sees it, as pictures. */

import { type Pixels, type Preprocess, preprocess, resize } from "ghostlens";
import { decodePhoto } from "../recognising/decode.ts";

const MAX_DRAWN_PX = 1024;

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

/**
 * Draws pixels, RGB or RGBA, into a canvas: all of them, or of large photos every n-th, as phones
 * have no canvas for 50 megapixels and no screen for them.
 */
export function draw(canvas: HTMLCanvasElement, { width, height, data }: Pixels): void {
  const skip = Math.ceil(Math.max(width, height) / MAX_DRAWN_PX);
  const [across, down] = [Math.floor(width / skip), Math.floor(height / skip)];
  const stride = data.length / (width * height);
  const rgba = new Uint8ClampedArray(4 * across * down).fill(255);
  for (let at = 0, y = 0; y < down; y++) {
    for (let x = 0; x < across; x++, at += 4) {
      const from = (y * width + x) * skip * stride;
      for (let channel = 0; channel < 3; channel++) rgba[at + channel] = data[from + channel] ?? 0;
    }
  }
  canvas.width = across;
  canvas.height = down;
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, across, down), 0, 0);
}
