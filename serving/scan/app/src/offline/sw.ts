/** The service worker: the page opens without a network after the first visit. */

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
/** The page's files, each with its hash; the build writes them here. */
const FILES = JSON.parse("__FILES__") as Record<string, string>;

worker.addEventListener("install", () => void FILES);
