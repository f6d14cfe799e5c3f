/** A repository with version 1.0.0, a server of it, and a client of a phone. */

import type { TestContext } from "node:test";
import { GhostlensClient } from "../../src/client.js";
import type { ClientOptions } from "../../src/options.js";
import { memoryStorage } from "../../src/storage/memory.js";
import type { Storage } from "../../src/storage/storage.js";
import { MODEL, Repository } from "./repository.js";
import { TestServer } from "./server.js";

export interface Setting {
  readonly repository: Repository;
  readonly server: TestServer;
  readonly storage: Storage;
  readonly client: GhostlensClient;
  /** Another client of the same storage, with other options. */
  readonly again: (changes?: Partial<ClientOptions>) => GhostlensClient;
}

/** Without a server that is asked, unless `changes` say so: the signed policy decides. */
export async function makeSetting(
  t: TestContext,
  changes: Partial<ClientOptions> = {},
): Promise<Setting> {
  const repository = await Repository.make();
  await repository.add("1.0.0");
  const server = await TestServer.start(repository.files);
  t.after(() => server.stop());
  const storage = changes.storage ?? memoryStorage();
  const again = (more: Partial<ClientOptions> = {}): GhostlensClient =>
    new GhostlensClient({
      url: server.url,
      trustedRoot: repository.trustedRoot,
      model: MODEL,
      device: { platform: "web", deviceId: "device-1", appVersion: "1.0.0" },
      storage,
      askServer: false,
      timeoutMs: 2000,
      retries: 0,
      retryDelayMs: 0,
      ...changes,
      ...more,
    });
  return { repository, server, storage, client: again(), again };
}

export async function versionInUse(client: GhostlensClient): Promise<string | null> {
  return (await client.current())?.version ?? null;
}
