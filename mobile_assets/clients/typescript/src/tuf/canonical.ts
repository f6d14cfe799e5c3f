/** Canonical JSON, the form that TUF signs: OLPC's, as securesystemslib writes it. */

import { TrustError } from "../errors.js";

/**
 * Returns the canonical form: keys sorted by code point, no white space, whole numbers only, and
 * in texts only the quotation mark and the backslash escaped.
 *
 * @param value what `JSON.parse` gave.
 * @throws TrustError it holds a fraction, a number beyond 2^53, or anything that is not JSON.
 */
export function encodeCanonical(value: unknown): Uint8Array {
  return new TextEncoder().encode(encode(value));
}

function encode(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value).sort(([a], [b]) => compareCodePoints(a, b));
    return `{${members.map(([key, member]) => `${quote(key)}:${encode(member)}`).join(",")}}`;
  }
  throw new TrustError("malformed", `canonical JSON cannot hold ${String(value)}`);
}

function quote(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** JavaScript compares UTF-16 units, which puts U+10000 and above before U+E000. */
function compareCodePoints(left: string, right: string): number {
  const [a, b] = [Array.from(left), Array.from(right)];
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const order = (a[index]?.codePointAt(0) ?? 0) - (b[index]?.codePointAt(0) ?? 0);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
