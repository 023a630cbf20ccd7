import { expect, test, vi } from 'vitest';
import type { Client } from '../src/client.js';
import { createIndex } from '../src/create-index.js';
import { maxSim } from '../src/max-sim.js';
import { Model } from '../src/model.js';
import { alone } from './alone.js';
import type { Pooling } from '../src/pooling.js';
import { transfers } from '../src/protocol.js';
import type { EmbedChunksOptions, Embeddings, EmbedOptions, IndexOptions, ModelInfo, Precision, Vectors } from '../src/types.js';

function setUp(answer: unknown = {}, input: 'text' | 'image' = 'text') {
  const call = vi.fn(async () => answer);
  return { call, model: new Model(alone({ call } as unknown as Client), { input, maxLength: 64 } as ModelInfo) };
}

const bad = (message: RegExp) =>
  expect.objectContaining({ name: 'HeatseekError', code: 'invalid_input', message: expect.stringMatching(message) });

test.each<[Pooling | undefined, unknown]>([
  [undefined, 'auto'],
  ['eos', 'eos'],
  [{ name: 'gem' }, 'gem'],
  [{ name: 'auto', p: undefined }, 'auto'],
  [{ name: 'ggem', p: [3, 4], groups: 2, positive: 'clamp', k: undefined }, { name: 'ggem', p: [3, 4], groups: 2, positive: 'clamp' }],
  [{ name: 'multi_source', ranges: [[0, 3], [3, 9]] }, { name: 'multi_source', ranges: [[0, 3], [3, 9]] }],
])('the pooling %j is posted as %j', async (pooling, posted) => {
  const { model, call } = setUp();
  await model.embed('a', { pooling });
  expect(call.mock.lastCall).toEqual(['embed', { texts: ['a'], settings: { pooling: posted, hidden: false } }, expect.anything()]);
});

test('settings say what was asked for, of texts and of pictures', async () => {
  const ranges = { min: new Float32Array(2), max: new Float32Array([1, 1]) };
  const file = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  const options = {
    pooling: 'simpool', poolingWeights: file, truncateDim: 2, precision: 'int8', ranges, weights: true, normalize: true,
  } as const;
  const posted = { ...options, poolingWeights: new Uint8Array([2, 3]), hidden: false };
  const texts = setUp();
  await texts.model.embed('a', { ...options, includePrompt: false });
  await texts.model.embed('a', { precision: 'float32', weights: false });
  expect(texts.call.mock.calls.map(([, args]: unknown[]) => (args as { settings: unknown }).settings)).toEqual([
    { ...posted, includePrompt: false }, { pooling: 'auto', hidden: false },
  ]);
  const sent = (texts.call.mock.calls[0] as unknown[])[1] as { settings: { poolingWeights: Uint8Array } };
  // Posting a view would copy all of its buffer.
  expect(sent.settings.poolingWeights.buffer.byteLength).toBe(2);
  const images = setUp({}, 'image');
  await images.model.embed('https://a.test/a.png', { ...options, poolingWeights: new ArrayBuffer(4) });
  expect(images.call.mock.lastCall?.slice(0, 2)).toEqual([
    'embed-images', { images: ['https://a.test/a.png'], settings: { ...posted, poolingWeights: new Uint8Array(4) } },
  ]);
});

test.each<[object, RegExp]>([
  [{ pooling: 7 }, /^pooling is 7; expected a name, or an object such as \{ name: 'gem', p: 3 \}$/],
  [{ pooling: ['mean'] }, /^pooling is an array/],
  [{ pooling: {} }, /^pooling.name is undefined; expected one of auto, mean/],
  [{ pooling: { name: 'average', p: 3 } }, /^pooling.name is 'average'; expected one of auto, mean/],
  [{ pooling: { name: 'auto', p: 3 } }, /^pooling.p is 3; expected no options with the name 'auto'$/],
  [{ pooling: { name: 'gem', p: () => 3 } }, /^pooling.p is a function; expected a string, a number, true, false or an array/],
  [{ pooling: { name: 'gem', p: NaN } }, /^pooling.p is NaN/],
  [{ pooling: { name: 'layer', layers: [1, null] } }, /^pooling.layers\[1\] is null/],
  [{ pooling: { name: 'multi_source', ranges: [[0, 'a'], [{}]] } }, /^pooling.ranges\[1\]\[0\] is an object; expected a string/],
  [{ poolingWeights: 'weights.safetensors' }, /^poolingWeights is 'weights.safetensors'; expected an ArrayBuffer or a Uint8Array$/],
  [{ poolingWeights: new Float32Array(1) }, /^poolingWeights is an object/],
  [{ includePrompt: 'no' }, /^includePrompt is 'no'; expected true or false$/],
  [{ truncateDim: 0 }, /^truncateDim is 0; expected a whole number, 1 or more$/],
  [{ precision: 'fp16' }, /^precision is 'fp16'; expected one of float32, int8, uint8, binary, ubinary$/],
  [{ ranges: { min: new Float32Array(1), max: new Float32Array(1) } }, /^precision is 'float32'; expected 'int8' or 'uint8', which ranges are for$/],
  [{ precision: 'int8', ranges: { min: [0], max: [1] } }, /^ranges.min is an array; expected a Float32Array$/],
  [{ precision: 'int8', ranges: { low: 1 } }, /^ranges has no option 'low'; there are min, max$/],
  [{ precision: 'uint8', ranges: { min: new Float32Array(2), max: new Float32Array(1) } }, /^ranges.max.length is 1; expected that of ranges.min, 2$/],
  [{ weights: 1 }, /^weights is 1/],
])('embed refuses %j', async (options, message) => {
  const { model, call } = setUp();
  await expect(model.embed('a', options as EmbedOptions)).rejects.toEqual(bad(message));
  expect(call).not.toHaveBeenCalled();
});

test('pictures have no prompt to leave out', async () => {
  const { model } = setUp({}, 'image');
  await expect(model.embed([], { includePrompt: false })).rejects.toEqual(bad(/^embed has no option 'includePrompt'/));
});

test('a warning is on the console once for each thing it says', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const { model, call } = setUp({ warning: 'it says cls' });
  const found = await model.embed('a', { pooling: 'mean' });
  await model.embed('b', { pooling: 'mean' });
  call.mockResolvedValueOnce({});
  await model.embed('a');
  call.mockResolvedValueOnce({ warning: 'it says cls, not max' });
  await model.embedChunks('a', { pooling: 'max' });
  expect(found.warning).toBe('it says cls');
  expect(warn.mock.calls).toEqual([['heatseek: it says cls'], ['heatseek: it says cls, not max']]);
  warn.mockRestore();
});

test('chunks are asked for with the defaults of an index', async () => {
  const { model, call } = setUp();
  await model.embedChunks('a');
  await model.embedChunks('a', { chunk: { tokens: 9 }, late: true, normalize: true });
  const plain = { pooling: 'auto', hidden: false };
  expect(call.mock.calls.map(([name, args]: unknown[]) => [name, args])).toEqual([
    ['embed-chunks', { text: 'a', chunk: { tokens: 62, overlap: 12, markdown: false }, late: false, settings: plain }],
    ['embed-chunks', { text: 'a', chunk: { tokens: 9, overlap: 1, markdown: false }, late: true, settings: { ...plain, normalize: true } }],
  ]);
});

test.each<[unknown, object, RegExp]>([
  [['a'], {}, /^text is an array; expected a string$/],
  ['a', { hidden: true }, /^embedChunks has no option 'hidden'; there are pooling, .*, chunk, late$/],
  ['a', { late: 'yes' }, /^late is 'yes'; expected true or false$/],
  ['a', { chunk: false }, /^chunk is false; expected an object$/],
])('embedChunks refuses %j with %j', async (text, options, message) => {
  const { model, call } = setUp();
  await expect(model.embedChunks(text as string, options as EmbedChunksOptions)).rejects.toEqual(bad(message));
  expect(call).not.toHaveBeenCalled();
});

test('an index is made and asked as it was told', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const { model, call } = setUp({ index: 1, documents: [], keeping: { persisted: 'memory' }, lost: [], warning: 'it says mean' });
  const index = await createIndex({ model, scan: 'gpu', pooling: { name: 'cluster', k: 4 }, truncateDim: 64, includePrompt: false, late: true });
  expect(warn.mock.calls).toEqual([['heatseek: it says mean']]);
  warn.mockRestore();
  call.mockResolvedValueOnce({ hits: [], gpuBytes: 0 } as never);
  await index.search('a', { rerank: new ArrayBuffer(2) });
  expect(call.mock.calls.map(([name, args]: unknown[]) => [name, args])).toEqual([
    ['index-create', {
      settings: { storage: 'f32', metric: 'cosine', scan: 'gpu', pooling: { name: 'cluster', k: 4 }, includePrompt: false, truncateDim: 64, late: true },
      recover: false,
      verify: false,
    }],
    ['index-search', { index: 1, query: 'a', settings: { topK: 10 }, rerank: new Uint8Array(2) }],
  ]);
  await expect(index.search('a', { rerank: 'iem' as never })).rejects.toEqual(bad(/^rerank is 'iem'; expected an ArrayBuffer/));
});

test.each<[object, RegExp]>([
  [{ pooling: 'average' }, /^pooling is 'average'/],
  [{ late: 1 }, /^late is 1/],
  [{ recover: 'yes' }, /^recover is 'yes'/],
  [{ verify: 1 }, /^verify is 1/],
  [{ poolingWeights: 1 }, /^poolingWeights is 1/],
  [{ truncateDim: 1.5 }, /^truncateDim is 1.5/],
  [{ precision: 'int8' }, /^createIndex has no option 'precision'/],
])('createIndex refuses %j', async (options, message) => {
  const { model, call } = setUp({ index: 1 });
  await expect(createIndex({ model, ...(options as IndexOptions) })).rejects.toEqual(bad(message));
  expect(call).not.toHaveBeenCalled();
});

test('MaxSim adds up the best of each vector of the query', () => {
  const vectors = (...rows: number[][]): Vectors =>
    ({ data: new Float32Array(rows.flat()), shape: [rows.length, rows[0]?.length ?? 2] });
  const query = vectors([1, 0], [0, 2]);
  expect(maxSim(query, vectors([3, -1], [-4, 5], [0.5, 0.5]))).toBe(3 + 10);
  expect(maxSim(query, vectors([-3, -1]))).toBe(-3 - 2);
  expect(maxSim(query, vectors())).toBe(0);
  expect(maxSim(vectors(), query)).toBe(0);
  expect(() => maxSim(query, vectors([1, 2, 3]))).toThrow(bad(/^document.shape\[1\] is 3; expected the width of the query's vectors, 2$/));
  expect(() => maxSim({ data: query.data, shape: [1, 2] }, query)).toThrow(bad(/^query.data.length is 4; expected 1 × 2/));
  expect(() => maxSim([1, 2] as never, query)).toThrow(bad(/^query.data is undefined; expected a Float32Array$/));
  expect(() => maxSim(query, { ...query, shape: 2 as never })).toThrow(bad(/^document.shape is 2; expected \[vectors, width\]$/));
});

test('vectors of every precision move', () => {
  for (const data of [new Float32Array(2), new Int8Array(2), new Uint8Array(2)]) {
    const weights = [new Float32Array(1), new Float32Array(1)];
    const found: Embeddings<Precision> = { data, shape: [1, 2], tokens: [1], truncated: [false], weights };
    expect(transfers(found)).toEqual([data.buffer, ...weights.map(({ buffer }) => buffer)]);
  }
});
