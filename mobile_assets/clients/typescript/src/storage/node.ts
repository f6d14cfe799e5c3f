/** Storage in a folder, for Node.js: tests, tools and servers. */

import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StorageError } from "../errors.js";
import { Queues, type Storage } from "./storage.js";

const WAIT_MS = 20;
const NAME = /^[A-Za-z0-9%_-][A-Za-z0-9%._-]*(\/[A-Za-z0-9%_-][A-Za-z0-9%._-]*)*$/;

/** Returns the storage in a folder, which is made when something is written. */
export function folderStorage(folder: string): Storage {
  const queues = new Queues();
  return {
    read: (name) => typed(`read ${name}`, () => orNull(readFile(locate(folder, name)))),
    write: (name, data) => typed(`write ${name}`, () => writeAtomic(locate(folder, name), data)),
    remove: (name) => typed(`remove ${name}`, () => rm(locate(folder, name), { force: true })),
    list: (prefix) => typed(`list ${folder}`, () => list(folder, prefix)),
    exclusively: (task, work) => queues.run(task, () => withLock(folder, task, work)),
  };
}

function locate(folder: string, name: string): string {
  if (!NAME.test(name)) throw new StorageError(`${JSON.stringify(name)} is not allowed as a name`);
  return join(folder, name);
}

async function writeAtomic(path: string, data: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${randomUUID()}`);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function list(folder: string, prefix: string): Promise<string[]> {
  const entries = (await orNull(readdir(folder, { recursive: true, withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "/").length))
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.startsWith(prefix));
}

/** The file holds the id of the process that works; one that is no more holds nothing. */
async function withLock<T>(folder: string, task: string, work: () => Promise<T>): Promise<T> {
  const path = join(folder, `.lock-${task}`);
  await typed(`lock ${folder}`, async () => {
    await mkdir(folder, { recursive: true });
    while (!(await tryLock(path))) await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  });
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  const own = `${path}-${randomUUID()}`;
  await writeFile(own, String(process.pid));
  try {
    // The lock appears with its content, so that no reader finds it empty.
    await link(own, path);
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    await rm(own, { force: true });
  }
  const holder = Number((await orNull(readFile(path, "utf8"))) ?? "0");
  if (holder > 0 && !isAlive(holder)) await rm(path, { force: true });
  return false;
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

async function orNull<T>(step: Promise<T>): Promise<T | null> {
  try {
    return await step;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return null;
    throw error;
  }
}

async function typed<T>(what: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof StorageError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new StorageError(`cannot ${what}: ${why}`, { cause: error });
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? "");
}
