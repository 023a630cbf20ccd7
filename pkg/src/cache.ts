/** Model files kept for next time, in the browser's Cache API as cache-layout.ts says. */
import { COMPLETE, HEADER, PART_BYTES, PREFIX, cacheStorage, entryOf, type Entry } from './cache-layout.js';
import { chunksOf } from './chunks.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** A file that is kept, or of which it is kept that there is none. */
export interface Kept extends Entry {
  /** Its bytes; throws if some are missing. */
  chunks(): AsyncIterable<Bytes>;
}

/** The files kept of one model; does nothing where there is no Cache API or it is blocked. */
export class FileCache {
  readonly #base: string;
  readonly #storage: Promise<CacheStorage | undefined>;
  #opened: Promise<Cache | undefined> | undefined;

  /** @param base the address of the model's folder */
  constructor(base: string, storage: Promise<CacheStorage | undefined> | CacheStorage | undefined = cacheStorage()) {
    this.#base = base;
    this.#storage = Promise.resolve(storage);
  }

  /** What is kept of the file at `url`. */
  async find(url: string): Promise<Kept | undefined> {
    const cache = await this.#open();
    const last = await match(cache, url);
    const entry = entryOf(last);
    return cache && entry && { ...entry, chunks: () => read(cache, url, entry, last) };
  }

  /** What is kept of a download of the file that was broken off: whole parts, from the first on. */
  async findParts(url: string): Promise<Kept | undefined> {
    const cache = await this.#open();
    const complete = entryOf(await match(cache, url))?.tag;
    for (const { url: key } of await keys(cache, url)) {
      const first = key.includes('?part=0&') ? entryOf(await match(cache, key)) : undefined;
      if (!cache || !first || first.tag === complete) continue;
      let parts = 1;
      while (await match(cache, partKey(url, first.tag, parts))) parts += 1;
      const entry = { ...first, parts, bytes: parts * PART_BYTES };
      return { ...entry, chunks: () => read(cache, url, entry, undefined) };
    }
    return undefined;
  }

  /** Begins to keep a file, or goes on behind the `parts` of it that are kept. */
  async write(url: string, entry: Pick<Entry, 'tag' | 'validator'>, parts = 0): Promise<Writer | undefined> {
    const cache = await this.#open();
    return cache && new Writer(cache, url, entry, parts);
  }

  /** Keeps that there is no such file. */
  async keepAbsence(url: string): Promise<void> {
    await this.forget(url);
    await this.#put(url, response(undefined, { tag: '', bytes: 0, parts: 0, absent: true }));
  }

  /** Keeps that a load took these files and no others. */
  keepComplete(paths: readonly string[]): Promise<void> {
    return this.#put(this.#base + COMPLETE, new Response(JSON.stringify(paths)));
  }

  /** Forgets a file that turned out to be wrong. */
  async forget(url: string): Promise<void> {
    const cache = await this.#open();
    for (const key of await keys(cache, url)) await quietly(() => cache?.delete(key));
  }

  async #put(key: string, content: Response): Promise<void> {
    const cache = await this.#open();
    await quietly(() => cache?.put(key, content));
  }

  #open(): Promise<Cache | undefined> {
    return (this.#opened ??= quietly(async () => (await this.#storage)?.open(PREFIX + this.#base)));
  }
}

/** Keeps a file that arrives. */
export class Writer {
  readonly #cache: Cache;
  readonly #url: string;
  readonly #entry: Pick<Entry, 'tag' | 'validator'>;
  #parts: number;
  /** What is in no part yet: the first `#bytes` of it. */
  #part: Bytes | undefined;
  #bytes = 0;
  /** The part that is being stored, so that the next one arrives meanwhile. */
  #storing: Promise<void> = Promise.resolve();
  #failed: 'full' | 'broken' | undefined;

  constructor(cache: Cache, url: string, entry: Pick<Entry, 'tag' | 'validator'>, parts: number) {
    this.#cache = cache;
    this.#url = url;
    this.#entry = entry;
    this.#parts = parts;
  }

  /** The next bytes; a promise has the download wait for the storage. Never rejects. */
  append(chunk: Bytes): void | Promise<void> {
    if (this.#failed) return;
    const room = PART_BYTES - this.#bytes;
    this.#part ??= new Uint8Array(PART_BYTES);
    this.#part.set(chunk.subarray(0, room), this.#bytes);
    this.#bytes += Math.min(room, chunk.byteLength);
    if (this.#bytes < PART_BYTES) return;
    return this.#storePart().then(() => this.append(chunk.subarray(room)));
  }

  /**
   * The file is whole, and the right one: keeps it in place of an older one.
   * @returns false if the browser has no room for it
   */
  async finish(): Promise<boolean> {
    await this.#storing;
    const bytes = this.#parts * PART_BYTES + this.#bytes;
    await this.#put(this.#url, { ...this.#entry, bytes, parts: this.#parts });
    if (!this.#failed) await this.#deleteParts(false);
    return this.#failed !== 'full';
  }

  /** Forgets what was kept of this download. */
  async discard(): Promise<void> {
    this.#failed ??= 'broken';
    await this.#storing;
    await this.#deleteParts(true);
  }

  async #storePart(): Promise<void> {
    await this.#storing;
    const key = partKey(this.#url, this.#entry.tag, this.#parts);
    this.#storing = this.#put(key, { ...this.#entry, bytes: this.#bytes, parts: this.#parts });
    this.#parts += 1;
  }

  async #put(key: string, entry: Entry): Promise<void> {
    // A blob has bytes of its own.
    const content = response(this.#part?.subarray(0, this.#bytes), entry);
    this.#bytes = 0;
    if (this.#failed) return;
    try {
      await this.#cache.put(key, content);
    } catch (error) {
      this.#failed = error instanceof Error && error.name === 'QuotaExceededError' ? 'full' : 'broken';
      // Half a file would take the room of others.
      await this.#deleteParts(true);
    }
  }

  /** Deletes parts of this download, or of all others. */
  async #deleteParts(own: boolean): Promise<void> {
    for (const { url: key } of await keys(this.#cache, this.#url)) {
      const tag = new URL(key).searchParams.get('of');
      if (tag !== null && (tag === this.#entry.tag) === own) await quietly(() => this.#cache.delete(key));
    }
  }
}

function partKey(url: string, tag: string, part: number): string {
  return `${url}?part=${part}&of=${encodeURIComponent(tag)}`;
}

function response(bytes: Bytes | undefined, entry: Entry): Response {
  return new Response(new Blob(bytes && [bytes]), { headers: { [HEADER]: JSON.stringify(entry) } });
}

/** The parts of a file, and its last bytes. */
async function* read(cache: Cache, url: string, { tag, parts }: Entry, last: Response | undefined): AsyncGenerator<Bytes, void, void> {
  for (let part = 0; part < parts; part++) {
    const found = await match(cache, partKey(url, tag, part));
    if (!found) throw new Error(`part ${part} is missing`);
    yield* chunksOf(found.body as ReadableStream<Bytes> | null);
  }
  if (last) yield* chunksOf(last.body as ReadableStream<Bytes> | null);
}

function match(cache: Cache | undefined, key: string): Promise<Response | undefined> {
  return quietly(() => cache?.match(key));
}

/** All entries of the file at `url`. */
async function keys(cache: Cache | undefined, url: string): Promise<readonly Request[]> {
  return (await quietly(() => cache?.keys(url, { ignoreSearch: true }))) ?? [];
}

/** Storage that is blocked or broken only means that nothing is kept. */
async function quietly<T>(work: () => Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}
