/** As much of IndexedDB as is used for what was chosen by measuring, over a map. */
export const fakeIndexedDb = (kept: Map<string, unknown>) => {
  const store = {
    get: (key: string) => answered(kept.get(key)),
    put: (value: unknown, key: string) => answered(void kept.set(key, value)),
  };
  return { open: () => answered({ transaction: () => ({ objectStore: () => store }), close() {} }) } as unknown as IDBFactory;
};

/** A request that was answered. */
function answered(result: unknown) {
  const request = { result, onsuccess: () => {}, onerror: () => {} };
  queueMicrotask(() => request.onsuccess());
  return request;
}
