import { afterEach, describe, expect, test, vi } from 'vitest';
import { THREAD, beThread, defaultThreads, obstacle, startThreads, type ThreadStart } from '../src/threads.js';

afterEach(() => vi.useRealTimers());

const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const start: ThreadStart = { module: new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])), memory: shared };

/** A worker's scope on a page that is cross-origin isolated. */
function isolated(more: Record<string, unknown> = {}) {
  for (const [name, value] of Object.entries({ crossOriginIsolated: true, Worker: class {}, ...more })) vi.stubGlobal(name, value);
}

describe('threads are had', () => {
  test('in a worker of an isolated page that has shared memory', async () => {
    isolated();
    expect(await obstacle(shared)).toBeUndefined();
  });

  test('outside of browsers, where nobody isolates', async () => {
    isolated({ crossOriginIsolated: undefined });
    expect(await obstacle(shared)).toBeUndefined();
  });

  test.each([
    ['the headers', { crossOriginIsolated: false }, shared, 'Cross-Origin-Embedder-Policy: require-corp'],
    ['shared memory', {}, new WebAssembly.Memory({ initial: 1 }), 'baseline'],
    ['a worker to compute in', { document: {} }, shared, 'worker: false'],
    ['workers of workers', { Worker: undefined }, shared, 'cannot start workers'],
  ])('and where %s is lacking, that is said', async (_, more, memory, said) => {
    isolated(more);
    expect(await obstacle(memory)).toContain(said);
  });
});

test.each([[1, 1], [2, 2], [4, 2], [8, 4], [11, 6], [64, 8]])('of %i processors %i compute', (processors, threads) => {
  vi.stubGlobal('navigator', { hardwareConcurrency: processors });
  expect(defaultThreads()).toBe(threads);
});

/** Workers that say what `behave` has them say. */
function workers(behave: (worker: EventTarget, at: number) => void) {
  const made: { url: string; options: WorkerOptions; terminated: boolean; told: unknown }[] = [];
  vi.stubGlobal('location', { href: 'https://a.example/worker.js?v=1' });
  vi.stubGlobal('Worker', class extends EventTarget {
    readonly #mine;
    constructor(url: string, options: WorkerOptions) {
      super();
      made.push(this.#mine = { url, options, terminated: false, told: undefined as unknown });
      const at = made.length - 1;
      queueMicrotask(() => behave(this, at));
    }
    postMessage(message: unknown) { this.#mine.told = message; }
    terminate() { this.#mine.terminated = true; }
  });
  return made;
}

describe('starting threads', () => {
  test('runs the script of this worker under another name', async () => {
    const made = workers((worker) => worker.dispatchEvent(new Event('message')));
    expect(await startThreads(start, 2)).toBe(2);
    expect(made).toEqual(Array(2).fill({
      url: 'https://a.example/worker.js?v=1', options: { type: 'module', name: THREAD }, terminated: false, told: start,
    }));
  });

  test('does without those that do not start', async () => {
    vi.useFakeTimers();
    const made = workers((worker, at) => {
      if (at === 0) worker.dispatchEvent(new Event('message'));
      if (at === 1) worker.dispatchEvent(new Event('error', { cancelable: true }));
    });
    const started = startThreads(start, 3);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await started).toBe(1);
    expect(made.map(({ terminated }) => terminated)).toEqual([false, true, true]);
  });

  test('does without any where the browser refuses', async () => {
    vi.stubGlobal('location', { href: 'https://a.example/worker.js' });
    vi.stubGlobal('Worker', class { constructor() { throw new DOMException('no', 'SecurityError'); } });
    expect(await startThreads(start, 2)).toBe(0);
  });
});

test('a thread that traps says so to the engine', () => {
  const calls: unknown[] = [];
  const complaint = vi.spyOn(console, 'error').mockImplementation(() => {});
  const listeners: ((event: MessageEvent<ThreadStart>) => void)[] = [];
  beThread(
    {
      postMessage: (message) => calls.push(message),
      addEventListener: (_, listener) => listeners.push(listener),
    },
    {
      initSync: (options) => calls.push(options),
      kernel_thread: () => { throw new WebAssembly.RuntimeError('unreachable'); },
      kernel_thread_failed: () => calls.push('failed'),
    },
  );
  listeners[0]?.({ data: start } as MessageEvent<ThreadStart>);
  expect(calls).toEqual([{ ...start, thread_stack_size: 1 << 20 }, 'ready', 'failed']);
  expect(complaint).toHaveBeenCalledOnce();
  complaint.mockRestore();
});
