/** Model files on the disk, with the interface of the web's Cache API, as far as it is used here. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The file that has a cache's name. */
const NAME = 'name';
/** Bytes before a file's headers that say how long these are. */
const LENGTH_BYTES = 4;

/** What stands before the bytes of an entry. */
interface Head {
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** A folder for each cache, below `models` of the folder that `root` says. */
export class FolderCaches {
  readonly #root: () => string;

  constructor(root: () => string) {
    this.#root = root;
  }

  get storage(): CacheStorage {
    return this as unknown as CacheStorage;
  }

  async keys(): Promise<string[]> {
    const folders = await readdir(this.#folder()).catch(() => []);
    const names = await Promise.all(folders.map((name) => readFile(join(this.#folder(), name, NAME), 'utf8').catch(() => undefined)));
    return names.filter((name) => name !== undefined);
  }

  async open(name: string): Promise<FolderCache> {
    const folder = this.#folder(name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, NAME), name);
    return new FolderCache(folder);
  }

  async delete(name: string): Promise<boolean> {
    const there = (await this.keys()).includes(name);
    if (there) await rm(this.#folder(name), { recursive: true, force: true });
    return there;
  }

  #folder(...name: [] | [string]): string {
    return join(this.#root(), 'models', ...name.map(fileName));
  }
}

/** A file for each entry. */
class FolderCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async match(key: string | Request): Promise<Response | undefined> {
    const bytes = await readFile(this.#path(urlOf(key))).catch(() => undefined);
    if (!bytes) return undefined;
    const [head, at] = headOf(bytes);
    return new Response(bytes.subarray(at), { headers: head.headers.map(([name, value]): [string, string] => [name, value]) });
  }

  /** Whole or not at all: a process that ends meanwhile leaves what was there. */
  async put(key: string, response: Response): Promise<void> {
    const head = Buffer.from(JSON.stringify({ url: key, headers: [...response.headers] } satisfies Head));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(head.length);
    const path = this.#path(key);
    const unfinished = `${path}.${randomUUID()}`;
    try {
      await writeFile(unfinished, [length, head, new Uint8Array(await response.arrayBuffer())]);
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => {});
      const full = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
      throw full ? new DOMException('the disk is full', 'QuotaExceededError') : error;
    }
  }

  async delete(key: string | Request): Promise<boolean> {
    return rm(this.#path(urlOf(key))).then(() => true, () => false);
  }

  async keys(only?: string): Promise<{ readonly url: string }[]> {
    const names = (await readdir(this.#folder)).filter((name) => name !== NAME && !name.includes('.'));
    const urls = await Promise.all(names.map((name) => urlIn(join(this.#folder, name))));
    const found = urls.filter((url) => url !== undefined);
    return found.filter((url) => only === undefined || url.replace(/\?.*/s, '') === only).map((url) => ({ url }));
  }

  #path(url: string): string {
    return join(this.#folder, fileName(url));
  }
}

const urlOf = (key: string | { readonly url: string }): string => (typeof key === 'string' ? key : key.url);

const fileName = (key: string): string => createHash('sha256').update(key).digest('hex');

function headOf(bytes: Buffer): [Head, number] {
  const end = LENGTH_BYTES + bytes.readUInt32LE(0);
  return [JSON.parse(bytes.toString('utf8', LENGTH_BYTES, end)) as Head, end];
}

/** The address that an entry is of, without reading its bytes. */
async function urlIn(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  try {
    const bytes = Buffer.alloc(8192);
    await file?.read(bytes, 0, bytes.length, 0);
    return file && headOf(bytes)[0].url;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}
