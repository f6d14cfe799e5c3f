/** Makes a model file from the one before, where the publisher signed a delta. */

import type { ApplyDelta } from "ghostlens";

let decoder: Promise<typeof import("@bokuweb/zstd-wasm")> | null = null;

/** Decodes by libzstd, which is fetched for the first delta; the client checks what comes out. */
export const applyDelta: ApplyDelta = async (oldFile, delta) => {
  decoder ??= load();
  const { createDCtx, decompressUsingDict, freeDCtx } = await decoder.catch((error: unknown) => {
    decoder = null;
    throw error;
  });
  const context = createDCtx();
  try {
    return decompressUsingDict(context, delta, oldFile);
  } finally {
    freeDCtx(context);
  }
};

async function load(): Promise<typeof import("@bokuweb/zstd-wasm")> {
  const loaded = await import("@bokuweb/zstd-wasm");
  await loaded.init();
  return loaded;
}
