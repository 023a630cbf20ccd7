/** Where files of indexes are kept: what each kind of storage does. Its names are those of `Index.persisted`. */
import type { IndexFile } from './wasm-index.js';

/** The files of one index, which nobody else writes meanwhile. */
export interface IndexFiles {
  list(): Promise<readonly string[]>;
  /** What is in a file; undefined if it is not there. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Writes files over those of their names. Resolves when all are on the disk, as far as the browser can tell. */
  write(files: readonly IndexFile[]): Promise<void>;
  /** Removes files; those that are not there are none to remove. */
  remove(names: readonly string[]): Promise<void>;
  /** Lets go of them. */
  close(): void;
}

/** The indexes in a kind of storage. Whatever it does throws where the browser does not let it, as in some private windows. */
export interface IndexList {
  readonly kind: 'opfs' | 'indexeddb' | 'folder';
  /** Names of the indexes in it. */
  names(): Promise<readonly string[]>;
  /** Removes all files of an index; says whether there were any. */
  delete(name: string): Promise<boolean>;
}

/** A kind of storage, and the files in it. */
export interface IndexPlace extends IndexList {
  /** The files of an index; made if they are not there and `make` says so. */
  open(name: string, make: boolean): Promise<IndexFiles | undefined>;
}

/**
 * A file that is there while an index is first put together or deleted, file by file. Where it was left there is no index,
 * only a rest of one.
 */
export const UNFINISHED = 'unfinished';

/** Whether an error of the browser's says that there is nothing of that name. */
export const isMissing = (error: unknown): boolean => (error as Error | null)?.name === 'NotFoundError';
