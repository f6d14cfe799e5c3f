/** Public keys and signatures as metadata write them (TUF 1.0, section 4.2; RFC 3279, 5480). */

import { type Cryptography, fromHex, toHex } from "../crypto.js";
import type { JsonNode } from "../reading.js";

const ED25519 = "ed25519";
const ECDSA = "ecdsa-sha2-nistp256";
const PEM = /^-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/;
const ED25519_BYTES = 32;
/** r and s of P-256. */
const NUMBER_BYTES = 32;
const [SEQUENCE, INTEGER] = [0x30, 0x02];

/** A key of a scheme that this client can verify. */
export interface PublicKey {
  readonly scheme: typeof ED25519 | typeof ECDSA;
  /** Ed25519: 32 bytes; ECDSA: the SubjectPublicKeyInfo as DER. */
  readonly data: Uint8Array;
}

/** Reads keys by their ids. Those of other schemes are left out: they count as not signing. */
export function readKeys(node: JsonNode): Map<string, PublicKey> {
  const keys = new Map<string, PublicKey>();
  for (const [keyid, key] of node.members()) {
    const read = readKey(key);
    if (read !== null) keys.set(keyid, read);
  }
  return keys;
}

/** Returns a text that two keys share only if they are the same. */
export function identify(key: PublicKey): string {
  return `${key.scheme} ${toHex(key.data)}`;
}

/** Returns whether a signature, as metadata hold it, is of that key and message. */
export async function isSignedBy(
  cryptography: Cryptography,
  key: PublicKey,
  signature: Uint8Array,
  message: Uint8Array,
): Promise<boolean> {
  if (key.scheme === ED25519) return cryptography.verifyEd25519(key.data, signature, message);
  const numbers = readEcdsaSignature(signature);
  if (numbers === null || cryptography.verifyEcdsaP256 === undefined) return false;
  return cryptography.verifyEcdsaP256(key.data, numbers, message);
}

function readKey(node: JsonNode): PublicKey | null {
  const [type, scheme] = [node.get("keytype").text(), node.get("scheme").text()];
  const text = node.get("keyval").get("public").text();
  if (type === ED25519 && scheme === ED25519) {
    const data = fromHex(text);
    if (data?.length !== ED25519_BYTES) return node.fail("an Ed25519 key has 32 bytes");
    return { scheme, data };
  }
  // Older repositories name the scheme as the type.
  if ((type !== "ecdsa" && type !== ECDSA) || scheme !== ECDSA) return null;
  const data = readPem(text);
  return data && { scheme, data };
}

function readPem(text: string): Uint8Array | null {
  const body = PEM.exec(text)?.[1];
  if (body === undefined) return null;
  try {
    return Uint8Array.from(atob(body.replace(/\s/g, "")), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Returns r and s, 32 bytes each, of SEQUENCE { r INTEGER, s INTEGER }; null where it is none. */
function readEcdsaSignature(der: Uint8Array): Uint8Array | null {
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2) return null;
  const numbers = new Uint8Array(2 * NUMBER_BYTES);
  let at = 2;
  for (const end of [NUMBER_BYTES, 2 * NUMBER_BYTES]) {
    const length = der[at + 1] ?? 0;
    const number = der.subarray(at + 2, at + 2 + length);
    if (der[at] !== INTEGER || length === 0 || number.length !== length) return null;
    // A leading zero only says that the number is positive.
    const digits = number[0] === 0 ? number.subarray(1) : number;
    if (digits.length > NUMBER_BYTES) return null;
    numbers.set(digits, end - digits.length);
    at += 2 + length;
  }
  return at === der.length ? numbers : null;
}
