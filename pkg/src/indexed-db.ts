/** Indexes in IndexedDB: a record for each file, under the names of its index and its own. */
import { UNFINISHED, type IndexList } from './index-files.js';

const DATABASE = 'heatseek-indexes';
const STORE = 'files';

/** The records of indexes in a database of `factory`. */
export class IndexedDbRecords implements IndexList {
  readonly kind = 'indexeddb';
  readonly #factory: IDBFactory | undefined;

  constructor(factory: IDBFactory | undefined = globalThis.indexedDB) {
    this.#factory = factory;
  }

  async names(): Promise<string[]> {
    const database = await this.database();
    try {
      const keys = (await within(database, 'readonly', (files) => files.getAllKeys())) as [string, string][];
      const unfinished = new Set(keys.filter(([, file]) => file === UNFINISHED).map(([index]) => index));
      return [...new Set(keys.map(([index]) => index))].filter((index) => !unfinished.has(index));
    } finally {
      database.close();
    }
  }

  async delete(name: string): Promise<boolean> {
    const database = await this.database();
    try {
      const had = ((await within(database, 'readonly', (files) => files.count(recordsOf(name)))) as number) > 0;
      await within(database, 'readwrite', (files) => files.delete(recordsOf(name)));
      return had;
    } finally {
      database.close();
    }
  }

  /** The database, for whoever closes it. */
  async database(): Promise<IDBDatabase> {
    if (!this.#factory) throw new Error('there is none');
    const opening = this.#factory.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    return new Promise((resolve, reject) => {
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  }
}

/** Every file of an index: an array is behind all strings. */
export const recordsOf = (index: string): IDBKeyRange => IDBKeyRange.bound([index], [index, []]);

/** Does something in a transaction of its own. Resolves with what its request gave when all of it is on the disk. */
export function within(database: IDBDatabase, mode: IDBTransactionMode, ask: (files: IDBObjectStore) => IDBRequest | void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: 'strict' });
    const request = ask(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request?.result);
    // An error ends in an abort, and a full disk is seen by the abort alone.
    transaction.onabort = () => reject(transaction.error ?? new DOMException('the transaction was ended', 'AbortError'));
  });
}
