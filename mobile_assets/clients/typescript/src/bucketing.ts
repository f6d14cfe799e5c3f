/** Which devices a staged rollout includes. */

import { WHOLE_SHARE_BP } from "./contract.js";
import type { Cryptography } from "./crypto.js";

const BUCKETS = 2 ** 32;

/**
 * Returns the bucket of a device, 0 to 2^32 - 1.
 *
 * It is the first four bytes, big-endian, of SHA-256(salt + ":" + device id), both as UTF-8.
 */
export async function findBucket(
  cryptography: Cryptography,
  salt: string,
  deviceId: string,
): Promise<number> {
  const digest = await cryptography.sha256(new TextEncoder().encode(`${salt}:${deviceId}`));
  return new DataView(digest.buffer, digest.byteOffset, 4).getUint32(0);
}

/**
 * Returns whether a rollout of a share includes a bucket.
 *
 * Both sides stay below 2^53, so the comparison is exact. Raising the share only adds devices.
 */
export function includesBucket(bucket: number, shareBp: number): boolean {
  return bucket * WHOLE_SHARE_BP < shareBp * BUCKETS;
}

/** Returns whether a rollout includes a device; one without an id is never included. */
export async function includesDevice(
  cryptography: Cryptography,
  rollout: { readonly salt: string; readonly shareBp: number },
  deviceId: string | null | undefined,
): Promise<boolean> {
  if (!deviceId) return false;
  return includesBucket(await findBucket(cryptography, rollout.salt, deviceId), rollout.shareBp);
}
