// Pages that tests of indexes run in: a small model, the package, and an origin private file system that can fail.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = join(ROOT, 'tests/golden/models');

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>index</title>
<script type=module>
  import * as heatseek from '/pkg/index.js';
  import * as fake from '/fake-opfs.js';
  import * as stored from '/stored-files.js';
  const told = async (work) => {
    try {
      await work();
    } catch (error) {
      return { code: error.code, message: error.message, ours: error instanceof heatseek.HeatseekError };
    }
    return undefined;
  };
  const model = (options = {}, name = 'bert-cls-normalize') =>
    heatseek.load('/models/' + name + '/', { device: 'cpu', threads: 1, cache: false, ...options });
  const documents = (...ids) => ids.map((id) => ({ id, text: 'the bees find the honey in flower ' + id, metadata: { id } }));
  Object.assign(window, heatseek, fake, stored, { told, model, documents, ready: true });
</script>`;

/** Workers of browsers that lack something. */
const WORKERS = {
  '/no-opfs.js': `StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('private', 'SecurityError'));`,
  '/no-writing.js': `delete FileSystemFileHandle.prototype.createSyncAccessHandle; delete FileSystemFileHandle.prototype.createWritable;`,
  '/streams-only.js': `delete FileSystemFileHandle.prototype.createSyncAccessHandle;`,
  '/nothing.js': `StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('private', 'SecurityError'));
    IDBFactory.prototype.open = () => { throw new DOMException('private', 'InvalidStateError'); };`,
  '/no-locks.js': `Object.defineProperty(WorkerNavigator.prototype, 'locks', { value: undefined });`,
};

/** A server of all that. */
export async function serveIndexPages() {
  const typescript = await readFile(join(ROOT, 'pkg/test/fake-opfs.ts'), 'utf8');
  const { code } = await transform(typescript, { loader: 'ts', target: 'es2022' });
  const files = await readFile(join(ROOT, 'tests/browser/stored-files.mjs'), 'utf8');
  const scripts = { '/fake-opfs.js': code, '/stored-files.js': files };
  const answers = { '/': ['text/html', PAGE] };
  for (const [path, script] of Object.entries(scripts)) answers[path] = ['text/javascript', script];
  for (const [path, script] of Object.entries(WORKERS)) {
    answers[path] = ['text/javascript', script];
    // Modules are run in their order, before the worker's first message.
    answers[path.replace('.js', '-worker.js')] = ['text/javascript', `import '${path}'; import '/pkg/worker.js';`];
  }
  return serve({ '/models/': MODELS, '/pkg/': join(ROOT, 'pkg/dist') }, (request, response) => {
    const answer = answers[new URL(request.url, 'http://localhost').pathname];
    if (!answer) return false;
    response.writeHead(200, { 'content-type': answer[0] }).end(answer[1]);
    return true;
  });
}

/** Goes to the page and waits until it has the package. */
export async function visit(page, { origin }) {
  await page.goto(origin);
  await page.waitForFunction(() => window.ready);
}
