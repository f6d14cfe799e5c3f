/** Talks to the server that this page came from. */

import { signal } from "@preact/signals";
import { recall, remember } from "./remembering.ts";

const KEPT = "ghostlens.key";
/** As the server makes them; see serving/access/tokens.py. */
const KEY = /^ghl_[0-9a-z]{8}_[0-9A-Za-z]{38}$/;

/** The server's address, without a slash at its end. */
export const SERVER = (globalThis.location as Partial<Location> | undefined)?.origin ?? "";

/** The API key that the owner gave to this device; empty where none is needed. */
export const apiKey = signal(recall(KEPT) ?? "");

/**
 * Keeps a key on this device; an empty one forgets it.
 *
 * @returns false where it cannot be a key: then the one before stays.
 */
export function keepKey(key: string): boolean {
  const found = key.trim();
  if (found !== "" && !KEY.test(found)) return false;
  apiKey.value = found;
  remember(KEPT, found);
  return true;
}

/** The server could not be reached. */
export class OfflineError extends Error {}

/** The server said no. */
export class RefusedError extends Error {
  /**
   * @param status the HTTP status.
   * @param retryAfterS when to ask again, where it said so.
   * @param kind the problem's name in the API's documents, as in "photo"; empty where it has none.
   */
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfterS: number | null = null,
    readonly kind = "",
  ) {
    super(message);
  }
}

/**
 * Sends a request with the device's key.
 *
 * @param path as in "/v1/models".
 * @throws OfflineError no answer came.
 * @throws RefusedError the answer is no 2xx.
 */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (apiKey.value !== "") headers.set("Authorization", `Bearer ${apiKey.value}`);
  let response: Response;
  try {
    response = await fetch(SERVER + path, { ...init, headers, cache: "no-store" });
  } catch (error) {
    throw new OfflineError("the server cannot be reached", { cause: error });
  }
  if (!response.ok) throw await readRefusal(response);
  return response;
}

async function readRefusal(response: Response): Promise<RefusedError> {
  const wait = Number(response.headers.get("Retry-After"));
  const problem = (await response.json().catch(() => ({}))) as Partial<Record<string, string>>;
  const text = problem["detail"] ?? problem["title"] ?? response.statusText;
  const kind = /#([a-z-]+)$/.exec(problem["type"] ?? "")?.[1] ?? "";
  const waitS = Number.isFinite(wait) && wait > 0 ? wait : null;
  return new RefusedError(response.status, text, waitS, kind);
}
