/** What this device says of itself when it asks which version to run. */

import type { Device } from "ghostlens";
import { deviceId } from "../device.ts";

/** Parts of `navigator` that not every browser has. */
interface Extras {
  readonly connection?: { readonly type?: string; readonly saveData?: boolean };
  readonly deviceMemory?: number;
}

/** With the runtime's version: another runtime may pass a self-test that this one fails. */
export const PAGE_VERSION = `${__PAGE_VERSION__}+litert.${__LITERT_VERSION__}`;
/** With the page and the runtime, 3 MB, a first visit then stays below 15 MB. */
const MOST_MODEL_BYTES = 11_500_000;
const BYTES_PER_GIB = 2 ** 30;
const UNMETERED = ["wifi", "ethernet"];

/** Describes the device as far as the browser tells. */
export async function describeDevice(): Promise<Device> {
  const { connection, deviceMemory } = navigator as Extras;
  return {
    platform: "web",
    runtimes: [{ name: "litert", version: __LITERT_VERSION__ }],
    mostBytes: MOST_MODEL_BYTES,
    appVersion: PAGE_VERSION,
    deviceId: deviceId(),
    freeBytes: await findFreeBytes(),
    memoryBytes: deviceMemory === undefined ? undefined : deviceMemory * BYTES_PER_GIB,
    network: findNetwork(connection),
  };
}

/** Returns how the device is connected; undefined where the browser does not say. */
export function findNetwork(connection: Extras["connection"]): Device["network"] {
  if (connection?.saveData || connection?.type === "cellular") return "metered";
  return UNMETERED.includes(connection?.type ?? "") ? "unmetered" : undefined;
}

async function findFreeBytes(): Promise<number | undefined> {
  const { quota, usage } = await estimateStorage();
  return quota === undefined ? undefined : Math.max(0, quota - (usage ?? 0));
}

/** Returns what the browser says of this page's space; nothing where it does not say. */
export async function estimateStorage(): Promise<StorageEstimate> {
  try {
    return (await navigator.storage?.estimate?.()) ?? {};
  } catch {
    return {};
  }
}
