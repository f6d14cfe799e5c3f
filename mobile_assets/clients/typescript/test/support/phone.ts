/**
 * A phone for the Python tests: steps of an app, each told as one line of JSON.
 *
 *     node phone.js '{"url": ..., "root": ..., "answers": {...}}' update start confirm check
 *
 * `answers` are the probabilities that the app's runtime would give, by the photo's SHA-256.
 */

import { readFileSync } from "node:fs";
import { createDCtx, decompressUsingDict, freeDCtx, init } from "@bokuweb/zstd-wasm";
import { GhostlensClient } from "../../src/client.js";
import type { ApplyDelta } from "../../src/deltas.js";
import type { Device } from "../../src/device.js";
import { GhostlensError, TrustError } from "../../src/errors.js";
import { folderStorage } from "../../src/storage/node.js";
import { sha256 } from "./repository.js";

interface Order {
  url: string;
  root: string;
  model: string;
  folder: string;
  device: Device;
  askServer: boolean;
  answers: Record<string, number[]>;
}

/** As the README has it. */
async function makeApplyDelta(): Promise<ApplyDelta> {
  await init();
  return (oldFile, delta) => {
    const context = createDCtx();
    try {
      return decompressUsingDict(context, delta, oldFile);
    } finally {
      freeDCtx(context);
    }
  };
}

async function run(step: string, order: Order): Promise<unknown> {
  const { url, model, device, askServer, answers } = order;
  const trustedRoot = readFileSync(order.root);
  const storage = folderStorage(order.folder);
  const client = new GhostlensClient({
    url,
    trustedRoot,
    model,
    device,
    storage,
    askServer,
    applyDelta: await makeApplyDelta(),
  });
  switch (step) {
    case "check": {
      const { offer, ...check } = await client.check();
      return { ...check, files: offer?.files.map((file) => file.path) ?? [] };
    }
    case "update": {
      const {
        check,
        model: taken,
        selfTest,
        downloadedBytes,
      } = await client.update((photo) => {
        return answers[sha256(photo)] ?? [];
      });
      const { action, code, reason, version } = check;
      const photos = selfTest?.photos.length ?? 0;
      const difference = selfTest?.maxProbabilityDifference ?? 0;
      const taking = { taken: taken?.version ?? null, photos, difference, downloadedBytes };
      return { action, code, reason, version, ...taking };
    }
    case "start": {
      const started = await client.start();
      return started && { version: started.version, sha256: sha256(started.artifact.bytes) };
    }
    case "confirm":
      await client.confirmStart();
      return null;
    default:
      throw new Error(`no such step: ${step}`);
  }
}

const [order, ...steps] = process.argv.slice(2);
try {
  for (const step of steps) {
    console.log(JSON.stringify(await run(step, JSON.parse(order ?? "{}") as Order)));
  }
} catch (error) {
  if (!(error instanceof GhostlensError)) throw error;
  const code = error instanceof TrustError ? error.code : null;
  console.log(JSON.stringify({ error: error.name, code, message: error.message }));
}
