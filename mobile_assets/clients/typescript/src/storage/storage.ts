/** Where a client keeps what it verified: named pieces of bytes, and a lock. */

/**
 * Storage of one app. Names are made of [A-Za-z0-9._-] and slashes, and never climb out.
 *
 * Whatever fails is a `StorageError`.
 */
export interface Storage {
  /** Returns the bytes of a name, or null where there are none. */
  read(name: string): Promise<Uint8Array | null>;
  /** Stores bytes, whole or not at all: a reader sees the old ones or the new ones. */
  write(name: string, data: Uint8Array): Promise<void>;
  /** Forgets a name; one that is not there is no error. */
  remove(name: string): Promise<void>;
  /** Returns all names that begin so, in any order. */
  list(prefix: string): Promise<string[]>;
  /** Runs work while nobody else, in other tabs and processes either, works at the same task. */
  exclusively<T>(task: string, work: () => Promise<T>): Promise<T>;
}

/** Runs pieces of work on the same task one after the other, within one process. */
export class Queues {
  private readonly last = new Map<string, Promise<unknown>>();

  run<T>(task: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.last.get(task) ?? Promise.resolve()).then(work, work);
    this.last.set(
      task,
      turn.catch(() => undefined),
    );
    return turn;
  }
}
