/** The API key of an app: sent to the server that it is for, and to nobody else. */

import { ConfigError } from "./errors.js";

/**
 * Returns a `fetch` that carries a key to the origin of `url` alone. Where that redirects to
 * another, `fetch` itself leaves the key out.
 *
 * @throws ConfigError the key has characters that no header can have; it is not repeated.
 */
export function carryKey(
  fetch: typeof globalThis.fetch,
  url: string,
  apiKey: string,
): typeof globalThis.fetch {
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ConfigError("the apiKey has characters that none has: is it whole?");
  }
  const origin = findOrigin(url);
  return (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    if (findOrigin(address) !== origin) return fetch(input, init);
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${apiKey}`);
    return fetch(input, { ...init, headers });
  };
}

/** React Native's URL knows no origin. What is spelt in another way is another origin. */
function findOrigin(url: string): string | undefined {
  return /^https?:\/\/[^/?#\\]+/i.exec(url)?.[0].toLowerCase();
}
