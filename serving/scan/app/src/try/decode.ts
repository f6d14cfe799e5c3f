import type { Pixels } from "ghostlens";
export async function decodePhoto(photo: Uint8Array): Promise<Pixels> {
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none" } as const;
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(photo)]), options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
  canvas.drawImage(bitmap, 0, 0);
  return canvas.getImageData(0, 0, bitmap.width, bitmap.height);
}
