/** Which kinds of artifacts there are, and which runtimes serve a platform, as on the server. */

/** For each platform its runtimes, the default first. */
export const RUNTIMES_OF = {
  android: ["litert", "executorch"],
  ios: ["coreml", "litert", "executorch"],
  web: ["litert"],
  python: ["litert"],
} as const;
export type Platform = keyof typeof RUNTIMES_OF;
export const PLATFORMS = Object.keys(RUNTIMES_OF) as Platform[];

export const RUNTIMES = ["executorch", "litert", "coreml"] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** Runtime, precision and ExecuTorch's delegate; in each runtime the most faithful first. */
const VARIANTS = [
  "executorch fp32 xnnpack",
  "executorch int8 xnnpack",
  "executorch fp16 coreml",
  "executorch fp16 vulkan",
  "litert fp32",
  "litert fp16",
  "litert dynamic-int8",
  "litert int8",
  "coreml fp16",
  "coreml int8-weights",
  "coreml palette8",
  "coreml palette6",
];
/** Delegates of one system: an app gets such a file only where it names its precision. */
const CHOSEN_BY_PRECISION_ONLY = ["coreml", "vulkan"];

interface Variant {
  readonly runtime: string;
  readonly precision: string;
  readonly backend: string;
}

/** Returns the place of a variant, the most faithful first; -1 where there is no such one. */
export function rankOf(variant: Variant): number {
  return VARIANTS.indexOf(`${variant.runtime} ${variant.precision} ${variant.backend}`.trim());
}

/** Returns whether an app gets such a file without naming its precision. */
export function isOfferedByDefault(variant: Variant): boolean {
  return !CHOSEN_BY_PRECISION_ONLY.includes(variant.backend);
}
