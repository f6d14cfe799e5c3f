/** The vectors that every client must give alike, whatever language it is written in. */

import { readFileSync } from "node:fs";

/** Reads `vectors.json`, from where `GHOSTLENS_VECTORS` says. */
export function readVectors<T>(): T {
  const beside = new URL("../../../../vectors.json", import.meta.url);
  return JSON.parse(readFileSync(process.env["GHOSTLENS_VECTORS"] ?? beside, "utf8")) as T;
}
