/** Files that lie at another address than the server: what fails there is told apart. */

/** That address cannot be reached, or does not let pages of this server read (CORS). */
export class ElsewhereError extends Error {
  override readonly name = "ElsewhereError";
}

/** Returns a `fetch` that says where it failed, if that is below an address. */
export function watchFetch(filesUrl: string): typeof fetch {
  return async (input, init) => {
    try {
      return await fetch(input, init);
    } catch (error) {
      if (init?.signal?.aborted || !String(input).startsWith(`${filesUrl}/`)) throw error;
      throw new ElsewhereError(`${filesUrl} gives this page nothing`, { cause: error });
    }
  };
}
