/** What Node, Deno and Bun have and browsers have not: in a file of its own, which no page fetches and no bundler follows. */

/** What `node/index.ts` exports. */
export interface Host {
  /** The address of a file or folder by its path, which is relative to the working directory; undefined of what is no path. */
  addressOf(name: string): string | undefined;
  /** As the web's, with files besides. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** The folder at an address that begins with `file:`. */
  folder(url: string): FileSystemDirectoryHandle;
  /** Model files kept below the user's cache folder. */
  readonly caches: CacheStorage;
  /** Where indexes are kept: below the user's data folder. Made if it is not there. */
  indexes(): Promise<FileSystemDirectoryHandle>;
  /** Among all processes of the user. */
  readonly locks: LockManager;
  /** A thread, with the interface of a web worker. */
  readonly Worker: typeof Worker;
  /** The other end of a thread, in it. */
  scope(): unknown;
  /** A thread of the caller's, with the interface of a web worker; a web worker as it is. */
  asWorker(worker: object): Worker;
}

let found: Promise<Host | undefined> | undefined;

/** Of this runtime; undefined in browsers. */
export function host(): Promise<Host | undefined> {
  return (found ??= load());
}

async function load(): Promise<Host | undefined> {
  // Pages have a document, and their workers an address on the web; only a page from a file starts workers that have not.
  if (typeof document !== 'undefined' || (globalThis.location?.protocol ?? 'file:') !== 'file:') return undefined;
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ import.meta.url.replace(/[^/]*$/, 'node.js'))) as Host;
  } catch {
    return undefined;
  }
}

/** The web's `fetch`, or the runtime's, which has files besides. */
export async function fetchHere(url: string, init: RequestInit): Promise<Response> {
  return ((await host())?.fetch ?? fetch)(url, init);
}

/** Workers of the web, or what the runtime has in their place: a process does not wait for those. */
export async function workerHere(): Promise<typeof Worker | undefined> {
  return (await host())?.Worker ?? globalThis.Worker;
}
