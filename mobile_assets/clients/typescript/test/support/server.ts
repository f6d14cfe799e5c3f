/** A real HTTP server of a repository, on loopback; it can do what broken and evil ones do. */

import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { sha256 } from "./repository.js";

export interface Request {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

type Reply = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Serves files by path, with ETag, Range and If-Range as the Python server does. */
export class TestServer {
  readonly requests: Request[] = [];
  /** JSON that came to `POST` addresses, by the end of the path. */
  readonly posted: { path: string; value: Record<string, unknown> }[] = [];
  /** Break off after so many bytes, once for each name. */
  readonly cutAtBytes = new Map<string, number>();
  /** Names whose answers never end, or never come. */
  readonly endless = new Set<string>();
  readonly silent = new Set<string>();
  /** What checks are answered with. */
  checkAnswer: unknown = null;
  reportStatus = 202;
  ignoresRange = false;
  etags = true;
  reply: Reply = () => false;
  private readonly server: Server;

  private constructor(private readonly files: ReadonlyMap<string, Uint8Array>) {
    this.server = createServer((request, response) => this.handle(request, response));
  }

  static async start(files: ReadonlyMap<string, Uint8Array>): Promise<TestServer> {
    const made = new TestServer(files);
    await new Promise<void>((resolve) => made.server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The requests for files whose name holds a text. */
  of(name: string): Request[] {
    return this.requests.filter((request) => request.path.includes(name));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? "").slice(1);
    const { range, "if-range": ifRange } = request.headers;
    const condition = typeof ifRange === "string" ? ifRange : undefined;
    this.requests.push({ path, range, ifRange: condition });
    if (this.reply(request, response)) return;
    if ([...this.silent].some((name) => path.includes(name))) return;
    if (request.method === "POST") this.handlePost(path, request, response);
    else this.handleGet(path, range, condition, response);
  }

  private handlePost(path: string, request: IncomingMessage, response: ServerResponse): void {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const value = JSON.parse(Buffer.concat(pieces).toString()) as Record<string, unknown>;
      this.posted.push({ path, value });
      const isCheck = path.endsWith("/check");
      response.writeHead(isCheck ? 200 : this.reportStatus, { "content-type": "application/json" });
      response.end(JSON.stringify(isCheck ? this.checkAnswer : {}));
    });
  }

  private handleGet(
    path: string,
    range: string | undefined,
    ifRange: string | undefined,
    response: ServerResponse,
  ): void {
    const data = this.files.get(path);
    if (data === undefined) return void response.writeHead(404).end();
    if ([...this.endless].some((name) => path.includes(name))) return neverEnd(response);
    const etag = `"${sha256(data)}"`;
    const wanted = /^bytes=(\d+)-$/.exec(range ?? "");
    const isPart = wanted !== null && !this.ignoresRange && [undefined, etag].includes(ifRange);
    const start = isPart ? Number(wanted[1]) : 0;
    if (start > 0 && start >= data.length) return void response.writeHead(416).end();
    const headers: Record<string, string | number> = { "content-length": data.length - start };
    if (this.etags) headers["etag"] = etag;
    if (isPart) headers["content-range"] = `bytes ${start}-${data.length - 1}/${data.length}`;
    response.writeHead(isPart ? 206 : 200, headers);
    const cut = [...this.cutAtBytes].find(([name]) => path.includes(name));
    if (cut === undefined) return void response.end(data.subarray(start));
    this.cutAtBytes.delete(cut[0]);
    response.write(data.subarray(start, start + cut[1]), () => response.destroy());
  }
}

function neverEnd(response: ServerResponse): void {
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(1 << 16)));
  };
  response.on("drain", more);
  more();
}
