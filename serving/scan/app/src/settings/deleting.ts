/** Deletes what this page keeps: models, trust, counts, corrections, settings, and itself. */

/** Of the page and of the client; browsers that do not list databases delete these. */
const DATABASES = ["ghostlens-models", "ghostlens-scan"];
const PREFIX = "ghostlens";
const SCOPE = "/scan/";
/** A tab that does not let go of a database would make it wait for ever. */
const LONGEST_MS = 10_000;

/**
 * Deletes everything, and opens the page anew.
 *
 * @throws Error another tab holds a database open.
 */
export async function deleteEverything(): Promise<void> {
  await Promise.all((await listDatabases()).map(deleteDatabase));
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  }
  const names = "caches" in globalThis ? await caches.keys() : [];
  await Promise.all(names.filter((name) => name.startsWith(PREFIX)).map((name) => caches.delete(name)));
  const worker = await navigator.serviceWorker?.getRegistration(SCOPE);
  await worker?.unregister();
  location.reload();
}

async function listDatabases(): Promise<string[]> {
  const listed = (await indexedDB.databases?.()) ?? DATABASES.map((name) => ({ name }));
  return listed.flatMap(({ name }) => (name?.startsWith(PREFIX) ? [name] : []));
}

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
    setTimeout(() => reject(new Error(`${name} is held open by another tab`)), LONGEST_MS);
  });
}
