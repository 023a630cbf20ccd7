/** What the browser keeps of models for next time: to show it, and to make room. */
import { COMPLETE, PREFIX, cacheStorage, entryOf } from './cache-layout.js';
import { invalid, options as checked, text } from './coerce.js';
import { remoteSource } from './source.js';

/** A file of a model that is kept. */
export interface CachedFile {
  /** Its path in the model's folder. */
  readonly path: string;
  /** What of it is kept. */
  readonly bytes: number;
  /** Whether that is all of it; if not, its download broke off, and goes on from there. */
  readonly complete: boolean;
}

/** A model of which files are kept. */
export interface CachedModel {
  /** The address of its folder: `load`, {@link isCached} and {@link deleteCached} take it. */
  readonly url: string;
  /** Its hub id, where the address is like a hub's. */
  readonly id?: string;
  /** The branch, tag or commit of that. */
  readonly revision?: string;
  /** Bytes of all its files. */
  readonly bytes: number;
  /** Whether it loads from what is kept, as {@link isCached} says. */
  readonly complete: boolean;
  readonly files: readonly CachedFile[];
}

/** Which model is meant, as to `load`. */
export interface CachedOptions {
  /** Branch, tag or commit of a hub id. Default `main`. */
  readonly revision?: string | undefined;
  /** The hub of a hub id. Default `https://huggingface.co`. */
  readonly hub?: string | URL | undefined;
}

/**
 * Lists what is kept of all models that were loaded by pages of this origin.
 *
 * @returns one entry for each model, by address; none where nothing is kept, as on insecure pages and in sandboxed
 *   frames
 *
 * @example
 * for (const { url, bytes } of await listCached()) console.log(url, bytes);
 */
export async function listCached(): Promise<CachedModel[]> {
  const models = await Promise.all((await bases()).map(listed));
  return models.filter(({ files }) => files.length > 0).sort((a, b) => (a.url < b.url ? -1 : 1));
}

/**
 * Whether all files are kept that a load of this model took, so that it loads without a network. A load still asks the
 * server whether there are newer ones, unless `revision` is a commit.
 *
 * @param model a hub id, a path or a URL, as to `load`; anything else is an `invalid_input` error
 * @param options which of them
 */
export async function isCached(model: string | URL, options?: CachedOptions): Promise<boolean> {
  const base = baseOf(model, 'isCached', options);
  return (await bases()).includes(base) && (await listed(base)).complete;
}

/**
 * Deletes all that is kept of a model. Models that are loaded keep working.
 *
 * @param model a hub id, a path or a URL, as to `load`, or the `url` of {@link listCached}
 * @param options which of them
 * @returns whether there was anything
 */
export async function deleteCached(model: string | URL, options?: CachedOptions): Promise<boolean> {
  return remove(PREFIX + baseOf(model, 'deleteCached', options));
}

/** Deletes all that is kept of every model. What was measured of a GPU, a few bytes, stays. */
export async function clearCache(): Promise<void> {
  for (const base of await bases()) await remove(PREFIX + base);
}

function baseOf(model: string | URL, what: string, options: CachedOptions | undefined): string {
  const { revision, hub } = checked(what, options, ['revision', 'hub']);
  if (typeof model !== 'string' && !(model instanceof URL)) throw invalid('model', model, 'a hub id, a path or a URL');
  return remoteSource(model, { revision: text('revision', revision), hub }).base;
}

/** The addresses of the models that have a cache. Storage that is blocked has none. */
async function bases(): Promise<string[]> {
  try {
    const names = (await (await cacheStorage())?.keys()) ?? [];
    return names.filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
  } catch {
    return [];
  }
}

async function remove(name: string): Promise<boolean> {
  try {
    return (await (await cacheStorage())?.delete(name)) ?? false;
  } catch {
    return false;
  }
}

async function listed(base: string): Promise<CachedModel> {
  const cache = await ((await cacheStorage()) as CacheStorage).open(PREFIX + base);
  const found = new Map<string, { bytes: number; complete: boolean }>();
  for (const request of await cache.keys()) {
    const entry = entryOf(await cache.match(request));
    if (!entry || entry.absent) continue;
    const { pathname, search } = new URL(request.url);
    const path = decodeURIComponent(pathname.slice(new URL(base).pathname.length));
    const whole = search === '';
    const known = found.get(path);
    // The bytes of a whole file are those of its parts too.
    if (whole) found.set(path, { bytes: entry.bytes, complete: true });
    else if (!known?.complete) found.set(path, { bytes: (known?.bytes ?? 0) + entry.bytes, complete: false });
  }
  const files = [...found].map(([path, file]) => ({ path, ...file })).sort((a, b) => (a.path < b.path ? -1 : 1));
  const taken = (await (await cache.match(base + COMPLETE))?.json()) as string[] | undefined;
  const [, id, revision] = /\/((?:[\w.-]+\/)?[\w.-]+)\/resolve\/([^/]+)\/$/.exec(base) ?? [];
  return {
    url: base,
    ...(id !== undefined && revision !== undefined && { id, revision: decodeURIComponent(revision) }),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    complete: taken?.every((path) => found.get(path)?.complete) ?? false,
    files,
  };
}
