// Serves a folder: `node … -- FOLDER PORT`. Prints the address; takes the next free port if PORT is taken.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, resolve, sep } from 'node:path';

const [folder, wantedPort] = process.argv.slice(1);
const root = resolve(folder);
const types = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.md': 'text/plain; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** The file a request means, or undefined where it means none. */
async function fileFor(url) {
  const path = resolve(join(root, decodeURIComponent(new URL(url, 'http://localhost').pathname)));
  if (path !== root && !path.startsWith(root + sep)) return undefined;
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const index = join(path, 'index.html');
    const size = (await stat(index).catch(() => undefined))?.size;
    return size === undefined ? undefined : { path: index, size };
  }
  return found && { path, size: found.size };
}

const server = createServer(async (request, response) => {
  const file = await fileFor(request.url ?? '/').catch(() => undefined);
  if (!file) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
    return;
  }
  response.writeHead(200, {
    'content-type': types[extname(file.path)] ?? 'application/octet-stream',
    'content-length': file.size,
    // A build replaces files under the same name; the browser must ask again.
    'cache-control': 'no-cache',
    // Cross-origin isolation, which threads need; scripts and models from elsewhere load as on any page.
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'credentialless',
  });
  if (request.method === 'HEAD') response.end();
  else createReadStream(file.path).on('error', () => response.destroy()).pipe(response);
});

let port = Number(wantedPort);
server.on('error', (error) => {
  if (error.code !== 'EADDRINUSE' || port === 0) throw error;
  port += 1;
  server.listen(port, '127.0.0.1');
});
server.on('listening', () => console.log(`\n  Heatseek is at http://localhost:${server.address().port}/\n`));
server.listen(port, '127.0.0.1');
