/** The page's own database: counts, corrections that wait, and small facts. */

import { signal } from "@preact/signals";
import type { Correction } from "./correcting/queue.ts";
import type { CountList, Line } from "./counting/lines.ts";

/** What is kept in each store; everything has an id. */
interface Stores {
  readonly lists: CountList;
  readonly lines: Line;
  readonly corrections: Correction;
  readonly facts: { readonly id: string; readonly value: unknown };
}
type StoreName = keyof Stores;

const NAME = "ghostlens-scan";
/** Raised when a store is added; each step of `upgrade` leads from one to the next. */
const VERSION = 1;
const STORES: Record<StoreName, true> = { lists: true, lines: true, corrections: true, facts: true };

/** The browser could not keep or read something. */
export class KeepingError extends Error {}
/** The browser gives this page no more space; what was kept before is still there. */
export class StorageFullError extends KeepingError {}

/** Makes a value of what is there; undefined removes it. */
type Change<T> = (found: T | undefined) => T | undefined;

/** Keeps values by their ids. All methods throw `KeepingError`. */
export interface Kept {
  get<S extends StoreName>(store: S, id: string): Promise<Stores[S] | undefined>;
  list<S extends StoreName>(store: S): Promise<Stores[S][]>;
  /** Changes one value, whatever other tabs do meanwhile; resolves when it is stored. */
  change<S extends StoreName>(store: S, id: string, change: Change<Stores[S]>): Promise<void>;
}

/** False where this browser keeps nothing after the page is closed, as in some private windows. */
export const isLasting = signal(true);

/** Returns storage that lasts as long as the page. */
export function keepInMemory(): Kept {
  const stores = new Map<StoreName, Map<string, unknown>>();
  const open = <S extends StoreName>(name: S): Map<string, Stores[S]> => {
    const store = stores.get(name) ?? new Map<string, unknown>();
    stores.set(name, store);
    return store as Map<string, Stores[S]>;
  };
  return {
    get: async (store, id) => open(store).get(id),
    list: async (store) => [...open(store).values()],
    change: async (store, id, change) => {
      const made = change(open(store).get(id));
      if (made === undefined) open(store).delete(id);
      else open(store).set(id, made);
    },
  };
}

/** Returns storage in an opened database; `open` is called again when the browser closed it. */
function keepIn(open: () => Promise<IDBDatabase>): Kept {
  async function run<T>(
    store: StoreName,
    mode: IDBTransactionMode,
    use: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> {
    try {
      const transaction = (await open()).transaction(store, mode);
      const request = use(transaction.objectStore(store));
      await finish(transaction);
      return request.result;
    } catch (error) {
      throw explain(error, store);
    }
  }
  return {
    get: (store, id) => run(store, "readonly", (kept) => kept.get(id)),
    list: (store) => run(store, "readonly", (kept) => kept.getAll()),
    change: async (store, id, change) => {
      await run(store, "readwrite", (kept) => {
        const request = kept.get(id);
        request.onsuccess = () => {
          const made = change(request.result);
          if (made === undefined) kept.delete(id);
          else kept.put(made);
        };
        return request;
      });
    },
  };
}

/** Resolves on the commit: what was put is stored then. */
function finish(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

function explain(error: unknown, store: string): KeepingError {
  const { name, message } = error as { name?: unknown; message?: unknown };
  const text = `${store}: ${String(message ?? error)}`;
  const isFull = name === "QuotaExceededError";
  return new (isFull ? StorageFullError : KeepingError)(text, { cause: error });
}

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const name of Object.keys(STORES)) {
        if (!request.result.objectStoreNames.contains(name)) {
          request.result.createObjectStore(name, { keyPath: "id" });
        }
      }
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another tab holds an older version of it open"));
  });
}

let opened: Promise<IDBDatabase> | null = null;

function openOnce(): Promise<IDBDatabase> {
  opened ??= openDatabase();
  opened.then(
    (database) => {
      database.onclose = database.onversionchange = () => {
        database.close();
        opened = null;
      };
    },
    () => (opened = null),
  );
  return opened;
}

let kept: Promise<Kept> | null = null;

/** Returns the page's storage; where the browser has none, what lasts until the page is closed. */
export function openKept(): Promise<Kept> {
  kept ??= openOnce().then(
    () => keepIn(openOnce),
    (error: unknown) => {
      console.warn("nothing is kept after this page is closed:", error);
      isLasting.value = false;
      return keepInMemory();
    },
  );
  return kept;
}

/** Returns a small fact that was kept; `otherwise` where there is none, or it cannot be read. */
export async function readFact<T>(id: string, otherwise: T): Promise<T> {
  try {
    const fact = await (await openKept()).get("facts", id);
    return fact === undefined ? otherwise : (fact.value as T);
  } catch (error) {
    console.warn(`${id} cannot be read:`, error);
    return otherwise;
  }
}

/** Keeps a small fact, which the page does without where there is no space. */
export async function keepFact(id: string, value: unknown): Promise<void> {
  try {
    await (await openKept()).change("facts", id, () => ({ id, value }));
  } catch (error) {
    console.warn(`${id} is not kept:`, error);
  }
}
