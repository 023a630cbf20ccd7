/** A server of one folder that can be told to do all that goes wrong. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does with one request. What is left out it does right. */
export interface Fault {
  /** Answers this and nothing else. */
  readonly status?: number;
  /** Ends the connection after so many bytes of the body. */
  readonly breakAfter?: number;
  /** Sends so many bytes of the body and calls them all: no length was said. */
  readonly truncateTo?: number;
  /** Sends no more after so many bytes. */
  readonly stallAfter?: number;
  /** Sends the whole file whatever was asked for. */
  readonly ignoreRange?: boolean;
  /** Says that it sends a range, and sends the file from its beginning. */
  readonly wrongRange?: boolean;
  /** Sends a range of whatever file there is by now. */
  readonly ignoreIfRange?: boolean;
  readonly headers?: Record<string, string>;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly status: number;
  readonly authorization: string | undefined;
}

export async function flakyServer(files: Record<string, Uint8Array>) {
  const faults: ((path: string) => Fault | undefined)[] = [];
  const asked: Asked[] = [];
  const state = { etag: true as boolean | 'weak', token: undefined as string | undefined };
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { pathname, search } = new URL(request.url ?? '', 'http://localhost');
    const path = decodeURIComponent(pathname.slice(1));
    const fault = faults.shift()?.(path) ?? {};
    const { range, 'if-range': ifRange, authorization } = request.headers;
    const end = (status: number, headers: Record<string, string | number> = {}, body?: Uint8Array) => {
      asked.push({ method: request.method ?? '', path: path + search, range, ifRange: String(ifRange ?? '') || undefined, status, authorization });
      response.writeHead(status, { ...headers, ...fault.headers });
      if (body !== undefined && request.method !== 'HEAD') return body;
      response.end();
      return undefined;
    };
    const file = files[path];
    if (fault.status !== undefined) return void end(fault.status);
    if (state.token !== undefined && authorization !== state.token) return void end(401);
    if (!file) return void end(404);
    const etag = `${state.etag === 'weak' ? 'W/' : ''}"${createHash('sha1').update(file).digest('hex')}"`;
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const partial = range !== undefined && !fault.ignoreRange && (ifRange === undefined || ifRange === etag || fault.ignoreIfRange);
    if (partial && from >= file.length) return void end(416);
    const validators = state.etag ? { etag } : {};
    const whole = partial ? file.subarray(fault.wrongRange ? 0 : from, fault.wrongRange ? file.length - from : undefined) : file;
    const length = fault.truncateTo === undefined ? { 'content-length': whole.length } : {};
    const described = partial ? { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` } : {};
    const body = end(partial ? 206 : 200, { ...validators, ...length, ...described }, whole);
    if (!body) return;
    const most = fault.breakAfter ?? fault.stallAfter ?? fault.truncateTo ?? body.length;
    response.flushHeaders();
    response.write(body.subarray(0, most), () => {
      // What is still under way when a connection breaks may be lost.
      if (fault.breakAfter !== undefined) setTimeout(() => response.socket?.destroy(), 30);
      else if (fault.stallAfter === undefined) response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    base,
    files,
    asked,
    state,
    /** What the next requests meet, one after another. */
    next: (...these: Fault[]) => void faults.push(...these.map((fault) => () => fault)),
    close: () => new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}

export type FlakyServer = Awaited<ReturnType<typeof flakyServer>>;

/** The SHA-256 of a file in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
