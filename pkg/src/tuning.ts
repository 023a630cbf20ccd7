/** What was chosen by measuring on this machine, kept for the next visit in IndexedDB. */
const DATABASE = 'heatseek';
const STORE = 'tuning';

/** How long nobody may have asked for anything before kernels are measured, in milliseconds. */
export const IDLE_MS = 500;
/** What measuring may take in one session, in milliseconds, but for the choice that is under way then. */
export const TUNING_MS = { idle: 1500, now: 10_000 } as const;

/** The name that the engine's table of kernels is kept by. */
export const KERNELS = 'kernels';

/** A record: what was chosen, and the browser's own name. */
interface Kept {
  readonly browser: string;
  readonly chosen: string;
}

/**
 * The choices of earlier visits, by name. Each with the browser's own name, which has its version: with another one,
 * kernels are compiled otherwise. Does nothing where there is no IndexedDB, as in some private windows.
 */
export class Tunings {
  readonly #factory: IDBFactory | undefined;
  readonly #browser: string;

  constructor(factory: IDBFactory | undefined = globalThis.indexedDB, browser = globalThis.navigator?.userAgent ?? '') {
    this.#factory = factory;
    this.#browser = browser;
  }

  /** What is kept; undefined if nothing is, or only what another version of the browser chose. */
  async find(name: string): Promise<string | undefined> {
    const found = (await this.#within('readonly', (store) => store.get(name))) as Kept | undefined;
    return found?.browser === this.#browser ? found.chosen : undefined;
  }

  /** Keeps this, in place of what is kept by this name. */
  async keep(name: string, chosen: string): Promise<void> {
    await this.#within('readwrite', (store) => store.put({ browser: this.#browser, chosen } satisfies Kept, name));
  }

  /** What a request answers; undefined if storage is blocked, full or broken, which costs no more than measuring again. */
  async #within(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
    let database: IDBDatabase | undefined;
    try {
      if (!this.#factory) return undefined;
      const opening = this.#factory.open(DATABASE, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      database = (await answer(opening)) as IDBDatabase;
      return await answer(ask(database.transaction(STORE, mode).objectStore(STORE)));
    } catch {
      return undefined;
    } finally {
      database?.close();
    }
  }
}

function answer(request: IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    // An older page holds the database open: that is no reason to wait for it.
    if ('onblocked' in request) request.onblocked = () => reject(request.error);
  });
}
