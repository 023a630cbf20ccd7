// The app's own files and the package's, so that they are there without a network. The model is not among them: the
// package keeps it itself.
const SHELL = 'knots-1';
const FILES = [
  './', 'main.js', 'worker.js', 'knots.json', 'icon.svg', 'manifest.webmanifest', '../example.css',
  '../../../pkg/dist/index.js', '../../../pkg/dist/worker.js',
  // Of the two a browser takes one, but which one only the package knows.
  '../../../pkg/dist/wasm/heatseek_bg.wasm', '../../../pkg/dist/wasm/heatseek_relaxed_bg.wasm',
];
const SHELL_URLS = new Set(FILES.map((file) => new URL(file, self.location.href).href));

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  // Of earlier versions of this app; never caches of others, such as the package's with the model.
  const old = (name) => name.startsWith('knots-') && name !== SHELL;
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = request.url.split(/[?#]/)[0];
  if (request.method !== 'GET' || !SHELL_URLS.has(url)) return;
  // The network first, so that a new version is seen; what is kept if there is none.
  event.respondWith(
    fetch(request).then((response) => {
      if (response.ok) {
        const copy = response.clone();
        event.waitUntil(caches.open(SHELL).then((cache) => cache.put(url, copy)));
      }
      return response;
    }, async (error) => {
      const kept = await caches.match(url, { cacheName: SHELL });
      if (kept) return kept;
      throw error;
    }),
  );
});
