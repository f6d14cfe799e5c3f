/** Which kinds of artifacts there are, and which runtimes serve a platform, as on the server. */

import { VARIANTS, type Word } from "./contract.js";

export type Platform = Word<"platforms">;
export type Runtime = Word<"runtimes">;

interface Variant {
  readonly runtime: string;
  readonly precision: string;
  readonly backend: string;
}

/** Returns the place of a variant, the most faithful first; -1 where there is no such one. */
export function rankOf(variant: Variant): number {
  return VARIANTS.findIndex(
    ({ runtime, precision, backend }) =>
      runtime === variant.runtime && precision === variant.precision && backend === variant.backend,
  );
}

/** Returns whether an app gets such a file without naming its precision. */
export function isOfferedByDefault(variant: Variant): boolean {
  return VARIANTS[rankOf(variant)]?.executedHere ?? false;
}
