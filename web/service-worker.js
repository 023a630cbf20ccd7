// Keeps the page itself, so that it opens without a network. offline-plugin.ts puts FILES, the paths to keep, and VERSION,
// which changes with what is in them, before this. Models are kept by the package, and go past here.

const SCOPE = new URL('./', self.location.href);
// Other copies of the page may live on the same origin.
const PREFIX = `heatseek-page ${SCOPE.pathname} `;
const CACHE = PREFIX + VERSION;

self.addEventListener('install', (event) => {
  // Asks the server whether what the browser has is current; what is keeps being used.
  const requests = FILES.map((file) => new Request(new URL(file, SCOPE), { cache: 'no-cache' }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(tidy().then(() => self.clients.claim()));
});

/** Removes what earlier versions kept: their pages are closed, or this one would be waiting still. */
async function tidy() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== SCOPE.origin || !url.pathname.startsWith(SCOPE.pathname)) return;
  const path = decodeURI(url.pathname.slice(SCOPE.pathname.length));
  if (request.mode === 'navigate') {
    if (path === '' || path === 'index.html') event.respondWith(newest(request));
  } else if (FILES.includes(path) || /^(assets|cmaps)\//.test(path)) {
    event.respondWith(kept(request));
  }
});

/** The page as the server has it, or as it was. */
async function newest(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const cache = await caches.open(CACHE);
    const page = await cache.match(SCOPE);
    if (page) return page;
    throw error;
  }
}

/** What never changes under its name, or changes with VERSION. */
async function kept(request) {
  const cache = await caches.open(CACHE);
  const found = await cache.match(request.url);
  if (found) return found;
  const response = await fetch(request);
  // Without room it is fetched again next time.
  if (response.ok && response.status === 200) await cache.put(request.url, response.clone()).catch(() => {});
  return response;
}
