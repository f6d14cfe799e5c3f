/** Where models are kept, and whom this device trusts. */

import { browserStorage } from "ghostlens";
import { ask } from "../server.ts";

/** The client's storage; what is kept of the server's trust lies in it too, so that both go together. */
export const storage = browserStorage("ghostlens-models");
const ROOT = "page/root.json";

/** A root, and whether it was there before this visit. */
export interface TrustedRoot {
  readonly data: Uint8Array;
  readonly isPinned: boolean;
}

/** Returns the root that this device trusts; null before the first visit. */
export async function readRoot(): Promise<Uint8Array | null> {
  return storage.read(ROOT);
}

/**
 * Returns the root that this device trusts, or at the first visit the one that the server shows.
 *
 * @throws OfflineError, RefusedError it is the first visit, and the server does not answer.
 */
export async function findRoot(): Promise<TrustedRoot> {
  const kept = await readRoot();
  if (kept !== null) return { data: kept, isPinned: true };
  const answer = await ask("/metadata/1.root.json");
  return { data: new Uint8Array(await answer.arrayBuffer()), isPinned: false };
}

/** Trusts a root from now on, unless another tab was first. */
export function pinRoot(data: Uint8Array): Promise<void> {
  return storage.exclusively("root", async () => {
    if ((await storage.read(ROOT)) === null) await storage.write(ROOT, data);
  });
}
