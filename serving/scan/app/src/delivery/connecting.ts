/** Makes the client of a model, as this device's settings have it. */

import { GhostlensClient } from "ghostlens";
import { SERVER, apiKey, ask } from "../server.ts";
import { shareUsage } from "../settings/choices.ts";
import { applyDelta } from "./deltas.ts";
import { watchFetch } from "./elsewhere.ts";
import { findRoot, pinRoot, readRoot, storage } from "./place.ts";
import { describeDevice } from "./self.ts";

/** Where the files lie, where that is not this server; null before the server said so. */
let filesUrl: string | null = null;

/** Returns a client of what is kept here; null where this device never was at the server. */
export async function openKept(model: string): Promise<GhostlensClient | null> {
  const root = await readRoot();
  return root === null ? null : makeClient(model, root);
}

/**
 * Returns a client for asking the server.
 *
 * At the first visit the server's root is pinned, once it vouched for what the server shows.
 */
export async function connect(model: string): Promise<GhostlensClient> {
  filesUrl ??= await findFiles();
  const root = await findRoot();
  const client = makeClient(model, root.data);
  if (!root.isPinned) {
    await client.check();
    await pinRoot(root.data);
  }
  return client;
}

function makeClient(model: string, trustedRoot: Uint8Array): GhostlensClient {
  return new GhostlensClient({
    url: SERVER,
    trustedRoot,
    model,
    storage,
    device: describeDevice,
    applyDelta,
    shareUsage: shareUsage.value,
    ...(filesUrl ? { targetsUrl: filesUrl, fetch: watchFetch(filesUrl) } : {}),
    ...(apiKey.value === "" ? {} : { apiKey: apiKey.value }),
  });
}

/** Asks where the files lie. An older server does not say, and leads there itself. */
async function findFiles(): Promise<string | null> {
  try {
    const found = (await (await ask("/scan/server.json")).json()) as { files_url?: string | null };
    return found.files_url ?? null;
  } catch {
    return null;
  }
}
