/** Waits for the service worker, which keeps what the page fetches from then on. */

const SCRIPT = "/scan/sw.js";
/** It takes a moment; where it takes longer, a later visit will have it. */
const LONGEST_MS = 10_000;

/** Registers the service worker; without one the page needs a network. */
export function registerWorker(): void {
  navigator.serviceWorker?.register(SCRIPT).catch((error: unknown) => {
    console.warn("the page will not open without a network:", error);
  });
}

/** Resolves when what is fetched is kept, or will not be at this visit. */
export async function untilKept(): Promise<void> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (container === undefined || container.controller !== null) return;
  await new Promise<void>((resolve) => {
    container.addEventListener("controllerchange", () => resolve(), { once: true });
    setTimeout(resolve, LONGEST_MS);
  });
}
