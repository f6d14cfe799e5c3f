/** The two primitives that the client needs, behind an interface that an app may fill in itself. */

import { ConfigError } from "./errors.js";

/**
 * SHA-256 and the verification of signatures: Ed25519 (RFC 8032), with which Ghostlens signs, and,
 * for repositories that others made, ECDSA.
 *
 * React Native has no WebCrypto: there an app gives, for example, `@noble/hashes` and
 * `@noble/ed25519`, or a native module.
 */
export interface Cryptography {
  /** Returns the 32 bytes of the SHA-256. */
  sha256(data: Uint8Array): Promise<Uint8Array>;
  /** Returns whether a signature (64 bytes) of a message is by a public key (32 bytes). */
  verifyEd25519(
    publicKey: Uint8Array,
    signature: Uint8Array,
    message: Uint8Array,
  ): Promise<boolean>;
  /**
   * Returns whether a signature (r and s, 32 bytes each) of a message's SHA-256 is by a public key
   * on P-256 (SubjectPublicKeyInfo, DER). Without it such keys count as not signing.
   */
  verifyEcdsaP256?(
    publicKey: Uint8Array,
    signature: Uint8Array,
    message: Uint8Array,
  ): Promise<boolean>;
}

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/**
 * Returns the primitives of WebCrypto: Node 20, Chrome 137, Firefox 129, Safari 17 and later.
 *
 * @throws ConfigError there is none here, as on pages that were not loaded by https.
 */
export function webCryptography(crypto: Crypto | undefined = globalThis.crypto): Cryptography {
  const subtle = crypto?.subtle;
  if (subtle === undefined) {
    throw new ConfigError(
      "there is no WebCrypto here: load the page by https or from localhost, or give " +
        "`cryptography` to the client",
    );
  }
  return {
    async sha256(data) {
      return new Uint8Array(await subtle.digest("SHA-256", asBuffer(data)));
    },
    async verifyEd25519(publicKey, signature, message) {
      if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
      const key = await importKey(subtle, publicKey);
      return subtle.verify("Ed25519", key, asBuffer(signature), asBuffer(message));
    },
    async verifyEcdsaP256(publicKey, signature, message) {
      const curve = { name: "ECDSA", namedCurve: "P-256" };
      let key: CryptoKey;
      try {
        key = await subtle.importKey("spki", asBuffer(publicKey), curve, false, ["verify"]);
      } catch {
        return false; // on another curve, or no point of it
      }
      const by = { name: "ECDSA", hash: "SHA-256" };
      return subtle.verify(by, key, asBuffer(signature), asBuffer(message));
    },
  };
}

async function importKey(subtle: SubtleCrypto, publicKey: Uint8Array): Promise<CryptoKey> {
  try {
    return await subtle.importKey("raw", asBuffer(publicKey), "Ed25519", false, ["verify"]);
  } catch (error) {
    throw new ConfigError(
      "this WebCrypto has no Ed25519: give `cryptography` to the client, with a library's",
      { cause: error },
    );
  }
}

/** Returns the SHA-256 as 64 hexadecimal digits. */
export async function sha256Hex(cryptography: Cryptography, data: Uint8Array): Promise<string> {
  return toHex(await cryptography.sha256(data));
}

/** Returns two hexadecimal digits a byte, lower case. */
export function toHex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Returns the bytes of hexadecimal digits, or null where they are none. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null;
  const data = new Uint8Array(text.length / 2);
  for (let index = 0; index < data.length; index++) {
    data[index] = Number.parseInt(text.slice(2 * index, 2 * index + 2), 16);
  }
  return data;
}

/** WebCrypto's types refuse views of shared memory, which nothing here makes. */
function asBuffer(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return data as Uint8Array<ArrayBuffer>;
}
