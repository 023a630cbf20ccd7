/**
 * How model files are kept in the browser's Cache API. Each model has a cache of its own, named by the address of its
 * folder, so that it is listed and deleted as one. In it, by address:
 * - a file: its last bytes, put when all before them is there. Its {@link Entry} says how many parts those are.
 * - a part of a file: the address with `?part=N&of=TAG`, {@link PART_BYTES} long. Without its file it is of a download
 *   that was broken off, which goes on from there.
 * - a file that the server has not: an entry that says so.
 * - {@link COMPLETE}: the paths of all files that a load of the model took.
 */
import { host } from './host.js';

/** Before a model's address in the name of its cache. The number changes with the layout. */
export const PREFIX = 'heatseek-models-2 ';
/** The header with an entry's {@link Entry}. */
export const HEADER = 'x-heatseek';
/** Bytes of a part: the most that is lost of a download when its page is closed. */
export const PART_BYTES = 8 << 20;
/** Behind the address of a model's folder: the key of the list of its files. */
export const COMPLETE = '?complete';

/** What is known of what is kept. */
export interface Entry {
  /** What tells the file from a newer one; absent if the server says nothing of the kind. */
  readonly validator?: string;
  /** What the parts of one download have in common. */
  readonly tag: string;
  /** Bytes of the file, or of the part. */
  readonly bytes: number;
  /** Parts before the last bytes; of a part, its number. */
  readonly parts: number;
  /** The server has no such file. */
  readonly absent?: true;
}

/** The browser's caches, or the runtime's; undefined where there are none, as on insecure pages, or where they are blocked. */
export async function cacheStorage(): Promise<CacheStorage | undefined> {
  try {
    return (await host())?.caches ?? globalThis.caches;
  } catch {
    // Sandboxed frames throw at the mere look.
    return undefined;
  }
}

/** What an entry of the cache says of itself; undefined of one without. */
export function entryOf(response: Response | undefined): Entry | undefined {
  const header = response?.headers.get(HEADER);
  return header ? (JSON.parse(header) as Entry) : undefined;
}
