/**
 * The service worker: the page opens without a network after the first visit.
 *
 * It must import nothing: it is a script of its own. Models and what the API answers it never
 * keeps; the client keeps models, verified.
 */

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
/** The page's files, each with the beginning of its SHA-256; the build writes them here. */
const FILES = JSON.parse("__FILES__") as Record<string, string>;
const RUNTIME_VERSION = __LITERT_VERSION__;

const SCOPE = "/scan/";
/** The page itself lies at the address that people see, where no server redirects it. */
const INDEX = "index.html";
const RUNTIME = `${SCOPE}litert/`;
/** Named by what they hold, so that each build has a cache of its own. */
const PAGE_PREFIX = "ghostlens-page-";
const RUNTIME_PREFIX = "ghostlens-runtime-";
const RUNTIME_CACHE = RUNTIME_PREFIX + RUNTIME_VERSION;
/** The newest, and the one before: pages that are open still belong to it. */
const KEPT_CACHES = 2;
/** So long a page waits for the network before it opens as it was kept. */
const NETWORK_MS = 3000;

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const answer = choose(event.request);
  if (answer !== null) event.respondWith(answer);
});

/** Keeps all files of this build, or none. Pages of the one before go on with theirs. */
async function install(): Promise<void> {
  const files = await Promise.all(Object.entries(FILES).map(fetchFile));
  const cache = await caches.open(await findPageCache());
  await Promise.all(files.map(([address, answer]) => cache.put(address, answer)));
  await worker.skipWaiting();
}

async function fetchFile([name, digest]: [string, string]): Promise<[string, Response]> {
  const address = name === INDEX ? SCOPE : SCOPE + name;
  for (const cache of ["default", "reload"] as const) {
    const answer = await fetch(address, { cache });
    const found = await crypto.subtle.digest("SHA-256", await answer.clone().arrayBuffer());
    if (answer.ok && toHex(found).startsWith(digest)) return [address, answer];
  }
  // While a server is brought up to date it may give files of two builds.
  throw new Error(`${address} is of another build`);
}

async function activate(): Promise<void> {
  const names = await caches.keys(); // the oldest first
  for (const prefix of [PAGE_PREFIX, RUNTIME_PREFIX]) {
    const own = prefix === PAGE_PREFIX ? await findPageCache() : RUNTIME_CACHE;
    const others = names.filter((name) => name.startsWith(prefix) && name !== own);
    const old = others.slice(0, Math.max(0, others.length + 1 - KEPT_CACHES));
    await Promise.all(old.map((name) => caches.delete(name)));
  }
  await worker.clients.claim();
}

/** Returns the answer to a request; null where the browser shall see to it itself. */
function choose(request: Request): Promise<Response> | null {
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== worker.location.origin) return null;
  if (pathname.startsWith(RUNTIME)) return answerRuntime(request);
  if (request.mode === "navigate" && pathname.startsWith(SCOPE)) return answerFresh(request, SCOPE);
  const name = pathname.slice(SCOPE.length);
  if (!pathname.startsWith(SCOPE) || name === "sw.js") return null;
  if (name.startsWith("assets/")) return answerKept(request);
  return Object.hasOwn(FILES, name) ? answerFresh(request, pathname) : null;
}

/** Files whose names change with what they hold: as they were kept, of this build or another. */
async function answerKept(request: Request): Promise<Response> {
  return (await caches.match(request.url)) ?? fetch(request);
}

/** The network's, where it answers soon; else as it was kept, which fits the other files kept. */
async function answerFresh(request: Request, address: string): Promise<Response> {
  const kept = await (await caches.open(await findPageCache())).match(address);
  if (kept === undefined) return fetch(request);
  const fetched = fetch(request).then((answer) => (answer.ok ? answer : kept));
  const late = new Promise<Response>((resolve) => setTimeout(() => resolve(kept), NETWORK_MS));
  return Promise.race([fetched.catch(() => kept), late]);
}

/** Megabytes, of which a browser needs a part: kept when they are first used. */
async function answerRuntime(request: Request): Promise<Response> {
  const kept = await caches.match(request.url);
  if (kept !== undefined) return kept;
  const answer = await fetch(request);
  if (answer.status === 200) {
    const cache = await caches.open(RUNTIME_CACHE);
    // Without space the page works as long as there is a network.
    await cache.put(request.url, answer.clone()).catch(() => undefined);
  }
  return answer;
}

async function findPageCache(): Promise<string> {
  const text = new TextEncoder().encode(JSON.stringify(FILES));
  return PAGE_PREFIX + toHex(await crypto.subtle.digest("SHA-256", text)).slice(0, 16);
}

function toHex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
