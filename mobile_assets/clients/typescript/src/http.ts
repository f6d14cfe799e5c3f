/** Fetching: never more bytes than were asked for, and never a wait without an end. */

import { NetworkError, TrustError } from "./errors.js";

/** How to reach the server. */
export interface Connection {
  readonly fetch: typeof globalThis.fetch;
  /** Longest wait for an answer, and between two pieces of it. */
  readonly timeoutMs: number;
}

/** An answer whose body is still to be read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Hands over the body piece by piece. */
  readonly pieces: () => AsyncIterable<Uint8Array>;
  /** Hangs up. */
  readonly cancel: () => void;
}

/**
 * Returns the bytes at an address, at most `maxBytes`.
 *
 * @throws TrustError there are more.
 * @throws NetworkError unreachable, silent, broken off, or another status than 200.
 */
export async function fetchBytes(
  connection: Connection,
  url: string,
  maxBytes: number,
): Promise<Uint8Array> {
  const answer = await open(connection, url, {});
  if (answer.status !== 200) {
    answer.cancel();
    throw new NetworkError(`${url}: the server answered HTTP ${answer.status}`, answer.status);
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer.pieces()) {
    size += piece.length;
    if (size > maxBytes) {
      answer.cancel();
      throw new TrustError("too-large", `${url} gives more than the ${maxBytes} bytes allowed`);
    }
    pieces.push(piece);
  }
  return join(pieces);
}

/** Sends JSON and returns status and bytes of the answer, at most `maxBytes`. */
export async function postJson(
  connection: Connection,
  url: string,
  value: unknown,
  maxBytes: number,
): Promise<Uint8Array> {
  const answer = await open(connection, url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(value),
  });
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer.pieces()) {
    size += piece.length;
    if (size > maxBytes) {
      answer.cancel();
      throw new NetworkError(`${url} gives more than the ${maxBytes} bytes allowed`, answer.status);
    }
    pieces.push(piece);
  }
  const data = join(pieces);
  if (answer.status < 200 || answer.status > 299) {
    const words = new TextDecoder().decode(data.slice(0, 500));
    throw new NetworkError(
      `${url}: the server answered HTTP ${answer.status}: ${words}`,
      answer.status,
    );
  }
  return data;
}

/**
 * Asks, and returns the answer before its body is read.
 *
 * @throws NetworkError unreachable or silent; later, by `pieces`, broken off or silent.
 */
export async function open(
  connection: Connection,
  url: string,
  request: RequestInit,
  signal?: AbortSignal,
): Promise<Answer> {
  signal?.throwIfAborted();
  const control = new AbortController();
  const hangUp = (): void => control.abort();
  signal?.addEventListener("abort", hangUp);
  const guard = <T>(step: Promise<T>): Promise<T> => within(connection.timeoutMs, step, hangUp);
  const translate = (error: unknown): never => {
    signal?.throwIfAborted();
    if (error instanceof NetworkError) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new NetworkError(`cannot fetch ${url}: ${cause}`, 0, { cause: error });
  };
  // What does not verify must not come again out of the browser's cache; what does is kept anyway.
  const usual: RequestInit = { redirect: "follow", cache: "no-store" };
  const options: RequestInit = { ...usual, ...request, signal: control.signal };
  const response = await guard(connection.fetch(url, options)).catch(translate);
  return {
    status: response.status,
    headers: response.headers,
    pieces: () => readPieces(response, guard, translate),
    cancel: hangUp,
  };
}

/** Joins pieces. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

async function* readPieces(
  response: Response,
  guard: <T>(step: Promise<T>) => Promise<T>,
  translate: (error: unknown) => never,
): AsyncGenerator<Uint8Array> {
  // React Native's fetch gives no stream; the whole body comes as one piece.
  if (response.body === null || response.body === undefined) {
    yield new Uint8Array(await guard(response.arrayBuffer()).catch(translate));
    return;
  }
  const reader = response.body.getReader();
  for (;;) {
    const step = await guard(reader.read()).catch(translate);
    if (step.done) return;
    yield step.value;
  }
}

/** Waits for a step, and gives up after a while. */
async function within<T>(timeoutMs: number, step: Promise<T>, hangUp: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new NetworkError(`no answer within ${timeoutMs} ms`));
      hangUp();
    }, timeoutMs);
  });
  try {
    return await Promise.race([step, silence]);
  } finally {
    clearTimeout(timer);
  }
}
