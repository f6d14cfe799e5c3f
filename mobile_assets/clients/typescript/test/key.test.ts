import assert from "node:assert/strict";
import { test } from "node:test";

import { carryKey } from "../src/key.js";
import { ConfigError } from "../src/errors.js";

const KEY = "ghl_till0001_secret";

async function findKey(url: string, init?: RequestInit): Promise<string | null> {
  let seen: Headers | undefined;
  const fetch: typeof globalThis.fetch = (_, given) => {
    seen = new Headers(given?.headers);
    return Promise.resolve(new Response());
  };
  await carryKey(fetch, "https://models.example/below", KEY)(url, init);
  return seen?.get("authorization") ?? null;
}

test("the server gets the key, beside the other headers", async () => {
  assert.equal(await findKey("https://models.example/v1/models"), `Bearer ${KEY}`);
  assert.equal(await findKey("https://MODELS.example/targets/x"), `Bearer ${KEY}`);
  const init = { headers: { range: "bytes=7-" } };
  assert.equal(await findKey("https://models.example/targets/x", init), `Bearer ${KEY}`);
});

test("nobody else gets it", async () => {
  for (const url of [
    "https://cdn.example/targets/x",
    "http://models.example/v1/models",
    "https://models.example:8443/",
    "https://models.example.evil.example/",
    "https://models.example@evil.example/",
  ]) {
    assert.equal(await findKey(url), null, url);
  }
});

test("a key that was cut or has a line in it is refused in words without it", () => {
  for (const key of ["", "ghl till", "ghl\r\nx-evil: 1", "schlüssel"]) {
    assert.throws(
      () => carryKey(globalThis.fetch, "https://models.example", key),
      (error) => error instanceof ConfigError && (key === "" || !error.message.includes(key)),
    );
  }
});
