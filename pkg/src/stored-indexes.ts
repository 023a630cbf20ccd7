import { invalid } from './coerce.js';
import { HeatseekError } from './errors.js';
import { host } from './host.js';
import { IndexedDbRecords } from './indexed-db.js';
import type { IndexList } from './index-files.js';
import { lock } from './index-lock.js';
import { isWellFormed } from './json.js';
import { OpfsFolders } from './opfs.js';
import type { StoredIndex } from './types.js';

/** As long as a file's name can be where each byte becomes three. */
const MOST_BYTES = 80;

/** Places may be blocked, as in some private windows: nothing is kept there then. */
async function places(): Promise<IndexList[]> {
  const node = await host();
  return node ? [new OpfsFolders(() => node.indexes(), 'folder')] : [new OpfsFolders(), new IndexedDbRecords()];
}

/**
 * The indexes that the browser keeps for this site: those that `createIndex` was given a `name` for.
 *
 * @example
 * for (const { name } of await listIndexes()) await deleteIndex(name);
 */
export async function listIndexes(): Promise<StoredIndex[]> {
  const found = await Promise.all(
    (await places()).map(async (place) => {
      const names = await place.names().catch(() => []);
      return names.map((name) => ({ name, persisted: place.kind }));
    }),
  );
  return found.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Deletes an index that the browser keeps, with all that is in it.
 *
 * @param name as `createIndex` was given it
 * @returns whether there was one
 * @throws {@link HeatseekError}: `locked` if it is open, here or in another tab
 */
export async function deleteIndex(name: string): Promise<boolean> {
  const checked = indexName('name', name);
  const release = await lock(checked, (await host())?.locks).catch((error: unknown) => {
    // Where there are no locks nothing is kept.
    if (error instanceof HeatseekError) throw error;
  });
  try {
    const deleted = await Promise.all((await places()).map((place) => place.delete(checked).catch(() => false)));
    return deleted.includes(true);
  } finally {
    release?.();
  }
}

/** A name of an index, which is no path. */
export function indexName(what: string, name: unknown): string {
  if (
    typeof name === 'string' && /^[^/\\\p{Cc}]+$/u.test(name) && !/^[.\s]|[.\s]$/u.test(name) && isWellFormed(name) &&
    new TextEncoder().encode(name).length <= MOST_BYTES
  ) return name;
  throw invalid(what, name, `1 to ${MOST_BYTES} bytes of text without /, \\ and control characters, and no dot or space at its ends`);
}
