import { expect, test, vi } from 'vitest';
import type { Client } from '../src/client.js';
import { load } from '../src/load.js';
import { Model } from '../src/model.js';
import { alone } from './alone.js';
import { remoteSource } from '../src/source.js';
import type { ModelInfo } from '../src/types.js';
import { version } from '../src/version.js';
import manifest from '../package.json' with { type: 'json' };

/** A model whose client answers with `answer` and remembers what it was asked. */
function setUp(answer: unknown = {}) {
  const call = vi.fn(async () => answer);
  const client = { call, end: vi.fn() } as unknown as Client;
  return { call, client, model: new Model(alone(client), { input: 'text', maxLength: 256 } as ModelInfo) };
}

const bad = (code: string, message: string | RegExp) =>
  expect.objectContaining({ name: 'HeatseekError', code, message: expect.stringMatching(message) });

test('one text is an array of one, none is none', async () => {
  const { model, call } = setUp();
  await model.embed('bees');
  await model.embed([]);
  const settings = { pooling: 'auto', hidden: false };
  expect(call.mock.calls.map(([, args]: unknown[]) => args)).toEqual([
    { texts: ['bees'], settings },
    { texts: [], settings },
  ]);
});

test.each<[unknown, RegExp]>([
  [42, /^texts is 42; expected a string or an array of strings$/],
  [null, /^texts is null/],
  [['a', null], /^texts\[1\] is null; expected a string$/],
  [['a', 'b', { text: 'c' }], /^texts\[2\] is an object/],
  [[, 'b'], /^texts\[0\] is undefined/],
])('embed refuses %j', async (texts, message) => {
  const { model, call } = setUp();
  await expect(model.embed(texts as string[])).rejects.toEqual(bad('invalid_input', message));
  expect(call).not.toHaveBeenCalled();
});

test.each<[object, RegExp]>([
  [{ pooling: 'average' }, /^pooling is 'average'; expected one of auto, mean, cls, first_token/],
  [{ normalize: 'yes' }, /^normalize is 'yes'; expected true or false$/],
  [{ maxLength: 0 }, /^maxLength is 0; expected a whole number, 1 or more$/],
  [{ maxLength: 1.5 }, /^maxLength is 1.5/],
  [{ max_length: 5 }, /^embed has no option 'max_length'; there are pooling, poolingWeights, normalize/],
  [{ signal: {} }, /^signal is an object; expected an AbortSignal$/],
  [{ onProgress: 'log' }, /^onProgress is 'log'; expected a function$/],
])('embed refuses the options %j', async (options, message) => {
  await expect(setUp().model.embed('a', options)).rejects.toEqual(bad('invalid_input', message));
});

test.each<[object, RegExp]>([
  [{ reduce: 'sum' }, /^reduce is 'sum'; expected one of none, mean, max, min, rollout, flow$/],
  [{ fusion: 'none' }, /^fusion is 'none'; expected one of mean, max, min$/],
  [{ query: -1 }, /^query is -1; expected a whole number, 0 or more$/],
  [{ residual: 1 }, /^residual is 1; expected 0 or more, less than 1$/],
  [{ discardRatio: '0.5' }, /^discardRatio is '0.5'; expected 0 or more, less than 1$/],
])('attention refuses the options %j', async (options, message) => {
  await expect(setUp().model.attention('a', options)).rejects.toEqual(bad('invalid_input', message));
});

test('attention passes on what it is asked for, with the defaults', async () => {
  const { model, call } = setUp();
  await model.attention('a', { reduce: 'rollout', query: 2, layers: [1], discardRatio: 0.9 });
  await model.neuron('a', { layer: 1, head: 0, query: 2 });
  const embed = { pooling: 'auto', hidden: false };
  const settings = { reduce: 'rollout', query: 2, layers: [1], fusion: 'mean', residual: 0.5, discardRatio: 0.9 };
  expect(call.mock.calls.map(([name, args]: unknown[]) => [name, args])).toEqual([
    ['attention', { text: 'a', settings, embed }],
    ['neuron', { text: 'a', settings: { layer: 1, head: 0, query: 2 }, embed }],
  ]);
  await expect(model.neuron('a', { layer: 1, head: 0 } as never)).rejects.toEqual(bad('invalid_input', /^query is undefined/));
});

test.each<[unknown, object | undefined, RegExp]>([
  [7, undefined, /^model is 7; expected a hub id, a path, a URL, the handle of a folder, a FileList/],
  ['a b', undefined, /^model is 'a b'; expected a hub id like/],
  ['a/b/c', undefined, /^model is 'a\/b\/c'/],
  ['a/b', { device: 'npu' }, /^device is 'npu'; expected one of auto, gpu, cpu, reference$/],
  ['a/b', { dtype: 'q4' }, /^dtype is 'q4'; expected one of auto, f32, f16, int8, fp32, fp16, q8$/],
  ['a/b', { cache: 1 }, /^cache is 1/],
  ['a/b', { sha256: { 'model.safetensors': 'abc' } }, /^sha256\['model.safetensors'\] is 'abc'; expected 64/],
  ['a/b', { wasm: 5 }, /^wasm is 5; expected a URL, a Response/],
  ['a/b', { worker: 'x.js' }, /^worker is 'x.js'; expected a Worker, a URL or false$/],
  ['/a/', { revision: 'v1' }, /^revision is given, but only a hub id has one$/],
  ['./a/', undefined, /is not a URL here$/],
])('load refuses %j with %j', async (model, options, message) => {
  await expect(load(model as string, options)).rejects.toEqual(bad('invalid_input', message));
});

test('load stops before it starts when the signal is aborted', async () => {
  await expect(load('a/b', { signal: AbortSignal.abort() })).rejects.toEqual(bad('aborted', 'aborted'));
});

test('models are looked for where they should be', () => {
  const base = (model: string | URL, revision?: string) =>
    remoteSource(model, { revision }, 'https://site.test/app/index.html').base;
  expect(base('owner/name')).toBe('https://huggingface.co/owner/name/resolve/main/');
  expect(base('owner/name', 'refs/pr/1')).toBe('https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/');
  expect(base('./models/m')).toBe('https://site.test/app/models/m/');
  expect(base('/models/m/')).toBe('https://site.test/models/m/');
  expect(base('https://cdn.test/m?x=1#y')).toBe('https://cdn.test/m/');
  expect(base(new URL('https://cdn.test/m/'))).toBe('https://cdn.test/m/');
  expect(remoteSource('a/b', { revision: 'c9745ed1d9f207416be6d2e6f8de32d1f16199bf' }).immutable).toBe(true);
});

test('a model is ended once and for all', () => {
  const { model, client } = setUp();
  model.dispose();
  expect(client.end).toHaveBeenCalledWith(bad('disposed', 'model'));
});

test('the version is the package’s', () => expect(version).toBe(manifest.version));
