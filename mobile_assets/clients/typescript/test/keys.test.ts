/** Keys that a repository of somebody else has: ECDSA on P-256 counts, others do not. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { webCryptography } from "../src/crypto.js";
import { memoryStorage } from "../src/storage/memory.js";
import { Key, answerWell } from "./support/repository.js";
import { type Setting, makeSetting, versionInUse } from "./support/setting.js";

/** A repository whose timestamp that key signs. */
async function makeSigned(t: TestContext, key: Key): Promise<Setting> {
  const setting = await makeSetting(t);
  setting.repository.keys.set("timestamp", [key]);
  await setting.repository.writeRoot();
  await setting.repository.commit();
  return setting;
}

for (const keytype of ["ecdsa", "ecdsa-sha2-nistp256"]) {
  test(`metadata signed by a key of the type ${keytype}`, async (t) => {
    const { client } = await makeSigned(t, Key.makeEcdsa("prime256v1", keytype));
    // Numbers of signatures are shorter now and then, and their DER with them.
    for (let round = 0; round < 5; round++) await client.update(answerWell);
    assert.equal(await versionInUse(client), "1.0.0");
  });
}

test("r and s may be short, and are filled from the left", async (t) => {
  const key = Key.makeEcdsa();
  const { client, repository } = await makeSigned(t, key);
  const sign = key.sign.bind(key);
  key.sign = async (payload) => {
    for (;;) {
      const signature = await sign(payload);
      // 30 44 02 20 <32 bytes> 02 20 <32 bytes> is the usual form.
      if (Number.parseInt(signature.slice(2, 4), 16) < 0x44) return signature;
    }
  };
  await repository.commit();
  await client.update(answerWell);
  assert.equal(await versionInUse(client), "1.0.0");
});

test("a signature of other bytes, or no DER at all, does not count", async (t) => {
  const key = Key.makeEcdsa();
  const { client, repository } = await makeSigned(t, key);
  const right = await key.sign(new Uint8Array([1]));
  const wrong = [right, right.slice(0, -2), `${right}00`, "3000", "30060201010201", "", "02"];
  wrong.push(`3044${"0220".padEnd(68, "0")}0220${"0".repeat(64)}`, `30${"ff".repeat(70)}`);
  for (const signature of wrong) {
    key.sign = () => Promise.resolve(signature);
    await repository.commit();
    await assert.rejects(client.update(answerWell), { code: "unsigned" }, signature);
  }
});

test("a key on another curve, or one that is none, does not count", async (t) => {
  const damaged = Key.makeEcdsa();
  damaged.json["keyval"] = { public: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----" };
  const none = Key.makeEcdsa();
  none.json["keyval"] = { public: "04" + "00".repeat(64) };
  for (const key of [Key.makeEcdsa("secp384r1"), Key.makeEcdsa("secp256k1"), damaged, none]) {
    const { client } = await makeSigned(t, key);
    await assert.rejects(client.update(answerWell), { code: "unsigned" });
  }
});

test("an app's own cryptography may leave ECDSA out", async (t) => {
  const { again } = await makeSigned(t, Key.makeEcdsa());
  const { sha256, verifyEd25519 } = webCryptography();
  const client = again({ cryptography: { sha256, verifyEd25519 }, storage: memoryStorage() });
  await assert.rejects(client.update(answerWell), { code: "unsigned" });
});
