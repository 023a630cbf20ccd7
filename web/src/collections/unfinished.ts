/**
 * What has been given to the page and is not in a collection yet, kept so that a later visit can go on: leave to read files
 * again where the browser has such a thing, else what the files were, and text itself where it came without a file.
 * Where the browser keeps nothing it is forgotten with the page.
 */

import type { NewDocument, Stamp } from './sources.ts';

/** One drop, choice or paste. */
export interface Delivery {
  readonly id: number;
  readonly collection: string;
  /** What to call it. */
  readonly label: string;
  readonly handles?: readonly FileSystemHandle[];
  /** Files without handles. */
  readonly files?: readonly Stamp[];
  readonly documents?: readonly NewDocument[];
}

const DATABASE = 'heatseek-page';
const STORE = 'deliveries';

let opened: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id', autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function transact<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const transaction = (await database()).transaction(STORE, mode);
  const request = work(transaction.objectStore(STORE));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Remembers it; undefined where nothing can be. */
export async function remember(delivery: Omit<Delivery, 'id'>): Promise<number | undefined> {
  try {
    return (await transact('readwrite', (store) => store.add(delivery))) as number;
  } catch {
    return undefined;
  }
}

/** It is done, or not wanted any more. */
export async function forget(id: number): Promise<void> {
  await transact('readwrite', (store) => store.delete(id)).catch(() => {});
}

/** What is left for a collection. */
export async function remembered(collection: string): Promise<Delivery[]> {
  try {
    return ((await transact('readonly', (store) => store.getAll())) as Delivery[]).filter((delivery) => delivery.collection === collection);
  } catch {
    return [];
  }
}

/** Forgets all of a collection, or of all. */
export async function forgetAll(collection?: string): Promise<void> {
  if (collection === undefined) await transact('readwrite', (store) => store.clear()).catch(() => {});
  else for (const { id } of await remembered(collection)) await forget(id);
}
