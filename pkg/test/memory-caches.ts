/** The browser's Cache API in memory, for Node has none. */
interface Stored {
  readonly body: ArrayBuffer;
  readonly headers: Headers;
}

export interface MemoryCaches extends CacheStorage {
  /** All that is stored, by cache and address. */
  readonly stores: Map<string, Map<string, Stored>>;
  /** Bytes there is room for. */
  room: number;
}

export function memoryCaches(): MemoryCaches {
  const stores = new Map<string, Map<string, Stored>>();
  const caches = {
    stores,
    room: Infinity,
    keys: async () => [...stores.keys()],
    delete: async (name: string) => stores.delete(name),
    async open(name: string) {
      const store = stores.get(name) ?? new Map<string, Stored>();
      stores.set(name, store);
      const match = (given: string | Request, ignoreSearch = false) => {
        const key = addressOf(given);
        return [...store.keys()].filter((url) => url === key || (ignoreSearch && url.replace(/\?.*/, '') === key.replace(/\?.*/, '')));
      };
      return {
        async match(key: string | Request) {
          const stored = store.get(addressOf(key));
          return stored && new Response(stored.body.slice(0), { headers: stored.headers });
        },
        async put(key: string, response: Response) {
          const body = await response.arrayBuffer();
          const used = [...stores.values()].flatMap((all) => [...all.values()]).reduce((sum, one) => sum + one.body.byteLength, 0);
          if (used + body.byteLength > caches.room) throw new DOMException('no room', 'QuotaExceededError');
          store.set(addressOf(key), { body, headers: response.headers });
        },
        keys: async (key?: string, { ignoreSearch = false } = {}) =>
          (key === undefined ? [...store.keys()] : match(key, ignoreSearch)).map((url) => ({ url }) as Request),
        delete: async (key: string) => store.delete(addressOf(key)),
      };
    },
  };
  return caches as unknown as MemoryCaches;
}

/** As a Request has it: without what follows a #. */
function addressOf(key: string | Request): string {
  const url = new URL(typeof key === 'string' ? key : key.url);
  url.hash = '';
  return url.href;
}
