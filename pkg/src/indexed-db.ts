/** Indexes in IndexedDB: a record for each file, under the names of its index and its own. */
import { UNFINISHED, type IndexFiles, type IndexPlace } from './index-files.js';
import type { IndexFile } from './wasm-index.js';

const DATABASE = 'heatseek-indexes';
const STORE = 'files';

/** Indexes in a database of `factory`. */
export class IndexedDb implements IndexPlace {
  readonly kind = 'indexeddb';
  readonly #factory: IDBFactory | undefined;

  constructor(factory: IDBFactory | undefined = globalThis.indexedDB) {
    this.#factory = factory;
  }

  async names(): Promise<string[]> {
    const database = await this.#database();
    try {
      const keys = (await within(database, 'readonly', (files) => files.getAllKeys())) as [string, string][];
      const unfinished = new Set(keys.filter(([, file]) => file === UNFINISHED).map(([index]) => index));
      return [...new Set(keys.map(([index]) => index))].filter((index) => !unfinished.has(index));
    } finally {
      database.close();
    }
  }

  async open(name: string, make: boolean): Promise<IndexFiles | undefined> {
    const database = await this.#database();
    const files = new DatabaseFiles(database, name);
    const names = await files.list();
    if (names.includes(UNFINISHED)) await files.clear();
    else if (names.length > 0) return files;
    if (make) return files;
    files.close();
    return undefined;
  }

  async delete(name: string): Promise<boolean> {
    const files = new DatabaseFiles(await this.#database(), name);
    try {
      const had = (await files.list()).length > 0;
      await files.clear();
      return had;
    } finally {
      files.close();
    }
  }

  async #database(): Promise<IDBDatabase> {
    if (!this.#factory) throw new Error('there is none');
    const opening = this.#factory.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    return new Promise((resolve, reject) => {
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  }
}

class DatabaseFiles implements IndexFiles {
  readonly #database: IDBDatabase;
  readonly #index: string;

  constructor(database: IDBDatabase, index: string) {
    this.#database = database;
    this.#index = index;
  }

  async list(): Promise<string[]> {
    const keys = await within(this.#database, 'readonly', (files) => files.getAllKeys(this.#range));
    return (keys as [string, string][]).map(([, file]) => file);
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = await within(this.#database, 'readonly', (files) => files.get([this.#index, name]));
    return bytes as Uint8Array<ArrayBuffer> | undefined;
  }

  async write(written: readonly IndexFile[]): Promise<void> {
    await within(this.#database, 'readwrite', (files) => {
      for (const { name, bytes } of written) files.put(bytes, [this.#index, name]);
    });
  }

  async remove(names: readonly string[]): Promise<void> {
    await within(this.#database, 'readwrite', (files) => {
      for (const name of names) files.delete([this.#index, name]);
    });
  }

  async clear(): Promise<void> {
    await within(this.#database, 'readwrite', (files) => void files.delete(this.#range));
  }

  close(): void {
    this.#database.close();
  }

  /** Every file of the index: an array is behind all strings. */
  get #range(): IDBKeyRange {
    return IDBKeyRange.bound([this.#index], [this.#index, []]);
  }
}

/** Does something in a transaction of its own. Resolves with what its request gave when all of it is on the disk. */
function within(database: IDBDatabase, mode: IDBTransactionMode, ask: (files: IDBObjectStore) => IDBRequest | void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: 'strict' });
    const request = ask(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request?.result);
    // An error ends in an abort, and a full disk is seen by the abort alone.
    transaction.onabort = () => reject(transaction.error ?? new DOMException('the transaction was ended', 'AbortError'));
  });
}
