/** Starting an engine: in a worker of ours, in one of the caller's, or in this thread. */
import { Client, type Port } from './client.js';
import { invalid } from './coerce.js';
import { HeatseekError } from './errors.js';
import { host } from './host.js';
import type { WorkerThread } from './types.js';

/** A client of the engine that `worker` asks for. */
export async function spawn(worker: Worker | WorkerThread | URL | false | undefined): Promise<Client> {
  const node = await host();
  const Thread = node?.Worker;
  if (worker === false || (worker === undefined && !Thread && typeof Worker === 'undefined')) return inThisThread();
  if (worker === undefined) return owned(Thread ? new Thread(script()) : defaultWorker());
  if (worker instanceof URL) return owned(Thread ? new Thread(worker) : workerAt(worker));
  if (typeof worker === 'object' && worker !== null && typeof worker.postMessage === 'function') {
    return new Client((node?.asWorker(worker) ?? worker) as Port, () => {});
  }
  throw invalid('worker', worker, 'a Worker, a URL or false');
}

/** Put together so that no bundler takes it for an asset of its own: the literal expression below is the one for bundlers. */
const script = (): string => import.meta.url.replace(/[^/]*$/, 'worker.js');

function owned(worker: Worker): Client {
  return new Client(worker as Port, () => worker.terminate());
}

function defaultWorker(): Worker {
  const here = import.meta.url;
  if (/^https?:/.test(here) && new URL(here).origin !== globalThis.location?.origin) {
    // This module came from another origin, as from a CDN.
    return workerAt(new URL(script()));
  }
  try {
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch (cause) {
    throw refused(cause);
  }
}

/** Browsers refuse scripts of other origins as workers, but a script of ours may import one. */
function workerAt(url: URL): Worker {
  try {
    if (url.origin === (globalThis.location?.origin ?? url.origin) || url.protocol === 'blob:') {
      return new Worker(url, { type: 'module' });
    }
    const script = `import ${JSON.stringify(url.href)};`;
    const blob = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    // The blob must outlive the start of the worker, which reads it at a time of its own; it is a line long,
    // and goes with the page.
    return new Worker(blob, { type: 'module' });
  } catch (cause) {
    throw refused(cause);
  }
}

function refused(cause: unknown): HeatseekError {
  const message =
    "the browser refused to start the worker; allow it in the page's Content-Security-Policy (worker-src), " +
    'pass worker: URL to fetch its script from elsewhere, or worker: false';
  return new HeatseekError('unsupported', message, { cause });
}

async function inThisThread(): Promise<Client> {
  const { serve } = await import('./serve.js');
  const { port1, port2 } = new MessageChannel();
  serve(port1);
  port1.start();
  port2.start();
  // Only the end that waits for answers has a process wait.
  (port1 as Partial<Port>).unref?.();
  return new Client(port2 as Port, () => port2.close());
}
