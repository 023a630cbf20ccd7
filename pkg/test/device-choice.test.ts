/** What `auto` means, chosen by a clock that stands still but for the engines, which take as long as they are told. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DeviceChoice } from '../src/device-choice.js';
import type { Calls } from '../src/protocol.js';
import type { ModelInfo } from '../src/types.js';
import { fakeIndexedDb } from './fake-indexed-db.js';

type LoadArgs = Calls['load']['args'];

/** What a query and a batch take, in milliseconds. */
interface Speed {
  readonly query: number;
  readonly batch: number;
}

const kept = new Map<string, unknown>();
const gpu = vi.fn<(texts: readonly string[]) => Promise<void>>();
/** What ends measuring. */
let abort: AbortController;
let cpu: Speed;
let refusal: 'load' | 'script' | undefined;
let adapter: { info?: object } | null;
let workers: FakeWorker[];

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const duration = (speed: Speed, texts: readonly string[]): number => (texts.length === 1 ? speed.query : speed.batch);

/** A second engine. */
class FakeWorker {
  onmessage: ((event: { data: object }) => void) | undefined;
  onerror: ((event: object) => void) | undefined;
  readonly asked: { readonly type: string; readonly device?: string; readonly texts?: readonly string[] }[] = [];
  readonly terminate = vi.fn();
  readonly refused = { preventDefault: vi.fn() };

  constructor(readonly url: string, readonly options: object) {
    workers.push(this);
  }

  async postMessage(message: FakeWorker['asked'][number]): Promise<void> {
    this.asked.push(message);
    if (message.type === 'dispose') return;
    if (refusal === 'script') return this.onerror?.(this.refused);
    this.onmessage?.({ data: { type: 'ready' } });
    await sleep(message.texts ? duration(cpu, message.texts) : 500);
    const answer = refusal ? { type: 'error', error: { code: 'unsupported', message: 'no' } } : { type: 'result', value: {} };
    this.onmessage?.({ data: answer });
  }
}

const ARGS = {
  source: { base: 'https://models.test/a/', query: '?secret', immutable: false }, lender: undefined, retries: 0, wasm: {}, device: 'auto',
  dtype: 'f32', threads: undefined, cache: true, sha256: {}, input: undefined, tune: 'never',
} as unknown as LoadArgs;
const INFO = { device: { kind: 'gpu' }, input: 'text', parameters: 22e6 } as unknown as ModelInfo;

beforeEach(() => {
  kept.clear();
  workers = [];
  abort = new AbortController();
  refusal = undefined;
  adapter = { info: { vendor: 'one', architecture: 'a', device: '', description: '' } };
  cpu = { query: 2, batch: 100 };
  onGpu({ query: 10, batch: 100 });
  vi.useFakeTimers();
  vi.stubGlobal('indexedDB', fakeIndexedDb(kept));
  vi.stubGlobal('location', { href: 'https://page.test/worker.js' });
  vi.stubGlobal('Worker', FakeWorker);
  vi.stubGlobal('navigator', { userAgent: 'browser 1', gpu: { requestAdapter: () => Promise.resolve(adapter) } });
});
afterEach(() => {
  vi.useRealTimers();
});

function onGpu(speed: Speed): void {
  gpu.mockReset().mockImplementation(async (texts) => {
    await sleep(duration(speed, texts));
    abort.signal.throwIfAborted();
  });
}

/** What comes of a load and the quiet time behind it. */
async function visit(args: Partial<LoadArgs> = {}, info: Partial<ModelInfo> = {}) {
  const choice = await DeviceChoice.find({ ...ARGS, ...args });
  const measuring = choice?.measure({ ...INFO, ...info }, gpu, abort.signal);
  await vi.runAllTimersAsync();
  return { device: choice?.device, stopped: await measuring, choice };
}

const record = (): unknown => {
  const [{ chosen }] = [...kept.values()] as [{ chosen: string }];
  return JSON.parse(chosen);
};

test('a CPU that is clearly faster is kept, with what was measured, and the next load has it', async () => {
  expect(await visit()).toMatchObject({ device: undefined, stopped: false });
  expect(record()).toEqual({ device: 'cpu', took: [[10, 2], [100, 100]] });
  expect(workers).toHaveLength(1);
  const [{ url, options, asked, terminate }] = workers as [FakeWorker];
  expect([url, options]).toEqual(['https://page.test/worker.js', { type: 'module' }]);
  expect(asked[0]).toMatchObject({ ...ARGS, type: 'load', device: 'cpu' });
  expect(asked.map(({ type, texts }) => texts?.length ?? type)).toEqual(['load', 1, 1, 1, 1, 16, 16, 16, 16, 'dispose']);
  expect(terminate).toHaveBeenCalledOnce();
  // No address of a signature or secret is kept, and nothing is measured twice.
  expect([...kept.keys()].join()).not.toContain('secret');
  expect(await visit()).toMatchObject({ device: 'cpu', stopped: false });
  expect(workers).toHaveLength(1);
});

test.each<[string, Speed, Speed, unknown]>([
  ['a GPU that wins the query', { query: 2, batch: 20 }, { query: 10, batch: 5 }, { device: 'gpu', took: [[2, 10]] }],
  ['a GPU that wins the batch by more', { query: 10, batch: 20 }, { query: 5, batch: 50 }, { device: 'gpu', took: [[10, 5], [20, 50]] }],
  ['a CPU that is hardly faster', { query: 10, batch: 100 }, { query: 9, batch: 95 }, { device: 'gpu', took: [[10, 9], [100, 95]] }],
])('%s leaves it at the GPU', async (_, ofGpu, ofCpu, choice) => {
  onGpu(ofGpu);
  cpu = ofCpu;
  await visit();
  expect(record()).toEqual(choice);
  expect(await visit()).toMatchObject({ device: 'gpu' });
  expect(workers).toHaveLength(1);
  expect(workers[0]?.terminate).toHaveBeenCalledOnce();
});

test('the warm-up and a slow run do not count', async () => {
  const times = [900, 10, 300, 10, 500, 50, 50, 50];
  gpu.mockImplementation(() => sleep(times.shift() as number));
  await visit();
  expect(record()).toMatchObject({ took: [[10, 2], [50, 100]] });
});

test('each model, dtype, number of threads, half, isolation and adapter has its own choice; another browser makes it anew', async () => {
  await visit();
  const others: Partial<LoadArgs>[] = [
    { source: { base: 'https://models.test/b/', query: '', immutable: false } }, { dtype: 'int8' }, { threads: 2 }, { input: 'image' },
  ];
  for (const args of others) expect((await DeviceChoice.find({ ...ARGS, ...args }))?.device).toBeUndefined();
  const found = async () => (await DeviceChoice.find(ARGS))?.device;
  vi.stubGlobal('crossOriginIsolated', true);
  expect(await found()).toBeUndefined();
  vi.stubGlobal('crossOriginIsolated', undefined);
  expect(await found()).toBe('cpu');
  adapter = { info: { ...adapter?.info, vendor: 'another' } };
  expect(await visit()).toMatchObject({ device: undefined });
  expect(await found()).toBe('cpu');
  vi.stubGlobal('navigator', { ...navigator, userAgent: 'browser 2' });
  expect(await found()).toBeUndefined();
  expect(kept.size).toBe(2);
});

test.each<[string, Partial<LoadArgs>, Partial<ModelInfo>]>([
  ['files that would be downloaded again', { cache: false }, {}],
  ['files that the page fetches', { lender: {} as MessagePort }, {}],
  ['pictures', {}, { input: 'image' }],
  ['large models', {}, { parameters: 109e6 }],
  ['models that fell back to the CPU', {}, { device: { kind: 'cpu' } as ModelInfo['device'] }],
])('no second engine is started for %s', async (_, args, info) => {
  expect(await visit(args, info)).toMatchObject({ stopped: false });
  expect([workers.length, kept.size, gpu.mock.calls.length]).toEqual([0, 0, 0]);
});

test('nor in the thread of a page', async () => {
  vi.stubGlobal('document', {});
  await visit();
  expect(workers).toEqual([]);
});

test('files of the user’s, no WebGPU, no adapter and one that nothing is told of are not chosen for', async () => {
  expect((await visit({ source: { files: new Map() } })).choice).toBeUndefined();
  adapter = null;
  expect((await visit()).choice).toBeUndefined();
  adapter = {};
  expect((await visit()).choice).toBeUndefined();
  vi.stubGlobal('navigator', { userAgent: 'browser 1' });
  expect((await visit()).choice).toBeUndefined();
});

test('without IndexedDB it comes to nothing, and is not tried twice in a visit', async () => {
  vi.stubGlobal('indexedDB', undefined);
  const { choice } = await visit();
  expect(await choice?.measure(INFO, gpu, abort.signal)).toBe(false);
  expect(workers).toHaveLength(1);
  expect((await DeviceChoice.find(ARGS))?.device).toBeUndefined();
});

test.each(['load', 'script'] as const)('a second engine whose %s fails is ended, and is the last one', async (what) => {
  refusal = what;
  const { stopped, choice } = await visit();
  expect(stopped).toBe(false);
  expect(workers).toHaveLength(1);
  const { terminate, refused } = workers[0] as FakeWorker;
  expect(terminate).toHaveBeenCalledOnce();
  // Else it would be an error of the engine that has the model.
  expect(refused.preventDefault).toHaveBeenCalledTimes(what === 'script' ? 1 : 0);
  expect(await choice?.measure(INFO, gpu, abort.signal)).toBe(false);
  expect(record()).toEqual({ device: 'gpu', took: [] });
  expect(await visit()).toMatchObject({ device: 'gpu' });
  expect(workers).toHaveLength(1);
});

test('a call ends it, wherever it is, and only so often', async () => {
  const choice = await DeviceChoice.find(ARGS);
  const ended = async (ms: number): Promise<boolean | undefined> => {
    abort = new AbortController();
    const measuring = choice?.measure(INFO, gpu, abort.signal);
    await vi.advanceTimersByTimeAsync(ms);
    abort.abort();
    // A run of the GPU ends by itself.
    await vi.runAllTimersAsync();
    return measuring;
  };
  // Before an engine is started it costs nothing.
  for (let n = 0; n < 5; n++) expect(await ended(999)).toBe(true);
  expect(workers).toHaveLength(0);
  // While the engine loads, and while either runs.
  expect(await ended(1200)).toBe(true);
  expect(await ended(1500 + 4 * 10 + 1)).toBe(true);
  expect(await ended(1500 + 5)).toBe(true);
  expect(workers.map(({ terminate }) => terminate.mock.calls.length)).toEqual([1, 1, 1]);
  expect(await ended(5000)).toBe(false);
  expect([workers.length, kept.size, vi.getTimerCount()]).toEqual([3, 0, 0]);
});

test('one that was ended is made up for', async () => {
  const choice = await DeviceChoice.find(ARGS);
  const first = choice?.measure(INFO, gpu, abort.signal);
  await vi.advanceTimersByTimeAsync(1200);
  abort.abort();
  expect(await first).toBe(true);
  abort = new AbortController();
  const second = choice?.measure(INFO, gpu, abort.signal);
  await vi.runAllTimersAsync();
  expect(await second).toBe(false);
  expect(record()).toMatchObject({ device: 'cpu' });
});
