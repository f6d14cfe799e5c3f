/** Pictures as files, to be kept or sent. */

/** Longest side of photos that are kept or sent: the server keeps no more, and networks take less. */
const MOST_PX = 1024;
const QUALITY = 0.9;

/**
 * Writes a picture as JPEG, without anything of the file that it came from.
 *
 * @returns null where the browser has no memory for it.
 */
export async function writeJpeg(picture: HTMLVideoElement | ImageBitmap): Promise<Blob | null> {
  const isVideo = picture instanceof HTMLVideoElement;
  const width = isVideo ? picture.videoWidth : picture.width;
  const height = isVideo ? picture.videoHeight : picture.height;
  const scale = Math.min(1, MOST_PX / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  if (context === null || width === 0) return null;
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}
