/** Fetches as the page that the box stands in: with the login that its user gave the browser. */

/** The server then takes the login; without it, scripts are refused where a key is needed. */
export const LOGIN = { "X-Login": "browser" };

/** Fetches a file of this server, or of another that the server named, which needs no login. */
export function fetchFile(url: string): Promise<Response> {
  const isOwn = new URL(url, location.href).origin === location.origin;
  return fetch(url, isOwn ? { headers: LOGIN } : {});
}
