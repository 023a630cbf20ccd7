/** Has the browser keep the page, so that it opens without a network and can be installed. */

import type { Store } from '../state.ts';

/** Without a model to wait for, such as where one is not wanted, it begins after so long. */
const LATEST_MS = 15_000;

/** Registers the service worker once the model is there: until then, what it downloads would be in its way. */
export function register(store: Store): void {
  // Blocked in some private windows, and absent on insecure pages; the page works all the same. When served by Vite, files change.
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return;
  let begun = false;
  const begin = (): void => {
    if (begun) return;
    begun = true;
    navigator.serviceWorker.register(new URL('service-worker.js', document.baseURI), { updateViaCache: 'none' }).catch(() => {});
  };
  setTimeout(begin, LATEST_MS);
  store.watch(({ model }) => {
    if (model.kind === 'ready') begin();
  });
}
