/** Reads barcodes, where the browser can. */

import type { Barcode } from "../scan.ts";

interface Detector {
  detect(picture: ImageBitmapSource): Promise<readonly { format: string; rawValue: string }[]>;
}
interface DetectorClass {
  new (): Detector;
  getSupportedFormats(): Promise<string[]>;
}

/** Reads the first barcode of a picture; null where it shows none. */
export type ReadBarcode = (picture: ImageBitmapSource) => Promise<Barcode | null>;

/** Returns a reader; null where the browser has none, or has it without a single format. */
export async function openBarcodeReader(): Promise<ReadBarcode | null> {
  const kind = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  try {
    if (kind === undefined || (await kind.getSupportedFormats()).length === 0) return null;
    const detector = new kind();
    return async (picture) => {
      const [first] = await detector.detect(picture);
      return first ? { format: first.format, value: first.rawValue } : null;
    };
  } catch {
    return null; // announced, but its service is not there
  }
}
