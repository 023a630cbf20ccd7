/** The CPU kernels' threads: workers that run this worker's own script, on the engine's memory. */
import { useMemory } from './atomics.js';
import { workerHere } from './host.js';

/** The name of a worker that is such a thread, which its script knows itself by. */
export const THREAD = 'heatseek-thread';

/** A thread that has not said that it runs by then is done without, in milliseconds. */
const START_MS = 10_000;

/** What a thread is told once. */
export interface ThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/** The engine's exports that a thread calls. */
export interface ThreadEngine {
  /** Makes an instance of its own, which takes the memory as it is. */
  initSync(start: ThreadStart & { thread_stack_size: number }): unknown;
  /** Computes what it is given, and never returns. */
  kernel_thread(): void;
  kernel_thread_failed(): void;
}

/** The part of a worker's scope that threads need. */
export interface ThreadScope {
  postMessage(message: 'ready'): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ThreadStart>) => void, options: { once: true }): void;
}

/** As much as the engine's first thread has: bodies of tasks must not have to know on which they are. */
const STACK_BYTES = 1 << 20;

/** Why the engine in this thread has to do without others; undefined where it has not. */
export async function obstacle(memory: WebAssembly.Memory): Promise<string | undefined> {
  // Outside of browsers nobody asks for isolation.
  if (typeof SharedArrayBuffer === 'undefined' || (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === false) {
    return (
      'the page is not cross-origin isolated: serve it, and the scripts of its workers, with the headers ' +
      'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
    );
  }
  if (!(memory.buffer instanceof SharedArrayBuffer)) return 'this browser, or the option `wasm`, has only the baseline build';
  if (typeof document !== 'undefined') return "the page's own thread, where worker: false computes, must not wait for others";
  if (!(await workerHere())) return 'a worker cannot start workers in this browser';
  return undefined;
}

/**
 * How many threads compute where nobody says: one for two logical processors, which are one core on most machines; on
 * the others half of the cores are slow ones, or wanted by the rest of the page.
 */
export function defaultThreads(): number {
  const processors = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.min(processors, Math.max(2, Math.min(8, Math.ceil(processors / 2))));
}

/** Starts threads; the promise says how many of them run. They end with this worker. */
export async function startThreads(start: ThreadStart, count: number): Promise<number> {
  const started = await Promise.all(Array.from({ length: count }, () => startThread(start)));
  return started.filter(Boolean).length;
}

async function startThread(start: ThreadStart): Promise<boolean> {
  const Kind = (await workerHere()) as typeof Worker;
  // No asset that a bundler would have to know of, and nothing that a Content-Security-Policy has not allowed yet.
  const script = globalThis.location?.href ?? import.meta.url.replace(/serve\.js$/, 'worker.js');
  return new Promise((resolve) => {
    let worker: Worker;
    try {
      worker = new Kind(script, { type: 'module', name: THREAD });
      (worker as { unref?(): void }).unref?.();
    } catch {
      resolve(false);
      return;
    }
    const giveUp = (): void => {
      worker.terminate();
      resolve(false);
    };
    const late = setTimeout(giveUp, START_MS);
    worker.addEventListener('message', () => {
      clearTimeout(late);
      resolve(true);
    });
    worker.addEventListener('error', (event) => {
      // It is no error of this worker: there are just fewer threads.
      event.preventDefault();
      clearTimeout(late);
      giveUp();
    });
    worker.postMessage(start);
  });
}

/** Makes this worker a thread. */
export function beThread(scope: ThreadScope, engine: ThreadEngine): void {
  scope.addEventListener('message', ({ data: start }) => {
    useMemory(start.memory);
    engine.initSync({ ...start, thread_stack_size: STACK_BYTES });
    scope.postMessage('ready');
    try {
      engine.kernel_thread();
    } catch (error) {
      // The engine waits for what this thread was to compute.
      engine.kernel_thread_failed();
      console.error(error);
    }
  }, { once: true });
}
