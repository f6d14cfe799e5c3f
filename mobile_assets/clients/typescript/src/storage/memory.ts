/** Storage that ends with the process: for tests, and for pages that may keep nothing. */

import { Queues, type Storage } from "./storage.js";

/** Returns an empty storage. */
export function memoryStorage(): Storage {
  const held = new Map<string, Uint8Array>();
  const queues = new Queues();
  return {
    read: (name) => Promise.resolve(held.get(name)?.slice() ?? null),
    write(name, data) {
      // A copy, which `slice` of Node's Buffer would not make.
      held.set(name, new Uint8Array(data));
      return Promise.resolve();
    },
    remove(name) {
      held.delete(name);
      return Promise.resolve();
    },
    list: (prefix) => Promise.resolve([...held.keys()].filter((name) => name.startsWith(prefix))),
    exclusively: (task, work) => queues.run(task, work),
  };
}
