/** Storage of a browser: IndexedDB, with the Web Locks that all tabs share. */

import { StorageError } from "../errors.js";
import { Queues, type Storage } from "./storage.js";

const STORE = "files";

/**
 * Returns the storage of this origin under a name of the app's choice.
 *
 * A browser may empty it when space runs out, unless `navigator.storage.persist()` was granted;
 * the client then pulls again.
 */
export function browserStorage(name = "ghostlens"): Storage {
  const queues = new Queues();
  let opened: Promise<IDBDatabase> | null = null;
  const database = (): Promise<IDBDatabase> => {
    opened ??= open(name);
    // A failed or closed database is opened anew the next time.
    opened.then(
      (found) => {
        found.onclose = found.onversionchange = () => {
          found.close();
          opened = null;
        };
      },
      () => (opened = null),
    );
    return opened;
  };
  const run = async <T>(
    mode: IDBTransactionMode,
    what: string,
    use: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> => {
    try {
      const transaction = (await database()).transaction(STORE, mode);
      const request = use(transaction.objectStore(STORE));
      await finished(transaction);
      return request.result;
    } catch (error) {
      throw new StorageError(`cannot ${what}: ${explain(error)}`, { cause: error });
    }
  };
  return {
    async read(key) {
      const found = await run(
        "readonly",
        `read ${key}`,
        (store) => store.get(key) as IDBRequest<unknown>,
      );
      return found instanceof Uint8Array ? found : null;
    },
    async write(key, data) {
      await run("readwrite", `write ${key}`, (store) => store.put(data, key));
    },
    async remove(key) {
      await run("readwrite", `remove ${key}`, (store) => store.delete(key));
    },
    async list(prefix) {
      // U+FFFF sorts after every character that a name may have.
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      return (await run("readonly", `list ${prefix}`, (store) => store.getAllKeys(range))).map(
        String,
      );
    },
    exclusively(task, work) {
      const locks = (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
      if (locks === undefined) return queues.run(task, work);
      return locks.request(`ghostlens:${name}:${task}`, work) as ReturnType<typeof work>;
    },
  };
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another tab holds an older version of it open"));
  });
}

/** Waits for the commit, not only for the request: what was put is stored then. */
function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

function explain(error: unknown): string {
  const name = (error as { name?: unknown } | null)?.name;
  if (name === "QuotaExceededError") return "the browser gives this site no more space";
  return error instanceof Error ? error.message : String(error);
}
