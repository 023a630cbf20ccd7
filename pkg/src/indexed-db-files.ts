/** Files of indexes in IndexedDB. */
import { UNFINISHED, type IndexFiles, type IndexPlace } from './index-files.js';
import { IndexedDbRecords, recordsOf, within } from './indexed-db.js';
import type { IndexFile } from './wasm-index.js';

/** Indexes in their records. */
export class IndexedDb extends IndexedDbRecords implements IndexPlace {
  async open(name: string, make: boolean): Promise<IndexFiles | undefined> {
    const files = new DatabaseFiles(await this.database(), name);
    let names = await files.list();
    if (names.includes(UNFINISHED)) {
      await files.remove(names);
      names = [];
    }
    if (make || names.length > 0) return files;
    files.close();
    return undefined;
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
    const keys = await within(this.#database, 'readonly', (files) => files.getAllKeys(recordsOf(this.#index)));
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

  close(): void {
    this.#database.close();
  }
}
