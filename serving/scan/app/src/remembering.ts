/** Short texts that the browser keeps for this page, where it keeps any. */

/** Returns what was remembered; null where nothing was, or the browser forbids it. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // cookies are blocked, or there is no browser at all
  }
}

/** Remembers a text for later visits; where the browser forbids it, it counts for this one. */
export function remember(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
  } catch {
    // What is in use does not depend on it.
  }
}
