import { expect, test, vi } from 'vitest';
import type { Client } from '../src/client.js';
import { createIndex } from '../src/create-index.js';
import { Model } from '../src/model.js';
import type { IndexedText, RawHit } from '../src/protocol.js';
import type { Filter, IndexOptions, ModelInfo, SearchOptions } from '../src/types.js';
import { alone } from './alone.js';

type Answers = Record<string, unknown>;

/** A model whose client answers each call with `answers` of its name, and remembers what it was asked. */
function setUp(answers: Answers = {}, { documents = [] as IndexedText[], keeping = { persisted: 'memory' } as object } = {}) {
  const all: Answers = {
    'index-create': { index: 1, documents, keeping, lost: [], warning: undefined },
    'index-add': keeping,
    'index-remove': { count: 0, keeping },
    ...answers,
  };
  const call = vi.fn(async (name: string, args: unknown, following?: unknown) => {
    void [args, following];
    const answer = all[name];
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const model = new Model(alone({ call, end: vi.fn() } as unknown as Client), { input: 'text', maxLength: 256 } as ModelInfo);
  return { call, model, answers: all };
}

const bad = (code: string, message: string | RegExp) =>
  expect.objectContaining({ name: 'HeatseekError', code, message: expect.stringMatching(message) });
const asked = (call: ReturnType<typeof setUp>['call'], name: string) =>
  call.mock.calls.filter(([asked]) => asked === name).map(([, args]) => args);

test('an index names documents, replaces them, and refuses a name twice in one call', async () => {
  const { model, call } = setUp();
  const index = await createIndex({ model });
  expect(await index.add(['a', { id: '0', text: 'b', metadata: { page: 3 } }, { text: 'c' }])).toEqual(['1', '0', '2']);
  expect(index.ids()).toEqual(['1', '0', '2']);
  expect(call).toHaveBeenLastCalledWith('index-add', {
    index: 1,
    documents: [{ id: '1', text: 'a' }, { id: '0', text: 'b', metadata: '{"page":3}' }, { id: '2', text: 'c' }],
    chunk: { tokens: 200, overlap: 40, markdown: false },
  }, { signal: undefined, onProgress: undefined, settled: true });
  expect(await index.add({ id: '0', text: 'd' })).toEqual(['0']);
  expect(index.get('0')).toEqual({ id: '0', text: 'd' });
  expect(index.ids()).toEqual(['1', '2', '0']);
  await expect(index.add([{ id: 'x', text: '' }, { id: 'x', text: '' }])).rejects.toEqual(bad('invalid_input', /documents\[1\]/));
  expect(index.size).toBe(3);
});

test('documents that could not be added are not there, and what they were to replace still is', async () => {
  const { model, answers } = setUp();
  const index = await createIndex({ model });
  await index.add({ id: 'a', text: 'before' });
  answers['index-add'] = new Error('engine');
  await expect(index.add([{ id: 'a', text: 'after' }, 'b'])).rejects.toThrow('engine');
  expect(index.size).toBe(1);
  expect(index.get('a')?.text).toBe('before');
  expect(index.has('0')).toBe(false);
});

test('two adds at a time give other ids', async () => {
  const { model } = setUp();
  const index = await createIndex({ model });
  const named = { id: '2', text: 'b' };
  expect(await Promise.all([index.add(['a', 'b']), index.add(named), index.add(['c'])])).toEqual([['0', '1'], ['2'], ['3']]);
});

test('hits carry the document as it was given', async () => {
  const chunk = { text: 'Bees dance.', start: 0, end: 11 };
  const hit: RawHit = { id: 'bees', score: 0.5, chunk };
  const { model, call } = setUp({ 'index-search': { hits: [hit, { ...hit, id: 'gone' }], gpuBytes: 64 } });
  const index = await createIndex({ model, metric: 'dot' });
  const metadata = { page: 3, render: () => 'cannot be cloned' };
  await index.add({ id: 'bees', text: 'Bees dance.', metadata });
  // What is no JSON is not seen by filters, and no reason to refuse it where nothing is kept.
  expect(asked(call, 'index-add')).toMatchObject([{ documents: [{ id: 'bees', text: 'Bees dance.' }] }]);
  const hits = await index.search('dance');
  expect(hits).toEqual([{ id: 'bees', score: 0.5, chunk, document: { id: 'bees', text: 'Bees dance.', metadata } }]);
  expect(hits[0]?.document.metadata).toBe(metadata);
  expect(index.gpuBytes, 'as of the last search').toBe(64);
});

test('an index with a name is opened with what is in it, and asks that it be kept', async () => {
  const persist = vi.fn(async () => true);
  vi.stubGlobal('navigator', { storage: { persist } });
  const documents = [{ id: 'a', text: 'x', metadata: '{"page":3}' }, { id: '0', text: 'y' }];
  const { model, call } = setUp({}, { documents, keeping: { persisted: 'opfs' } });
  const index = await createIndex({ model, name: 'notes' });
  expect(index).toMatchObject({ name: 'notes', persisted: 'opfs', warning: undefined, size: 2 });
  expect(index.get('a')).toEqual({ id: 'a', text: 'x', metadata: { page: 3 } });
  expect(persist).toHaveBeenCalledTimes(1);
  expect(asked(call, 'index-create')).toMatchObject([{ name: 'notes', settings: { storage: 'f32' } }]);
  expect(await index.add('z')).toEqual(['1']);
});

test('a last change that is damaged is given up only where that is asked for, and said', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const lost = ['manifest-b.json: documents-00000002.jsonl: expected 9 bytes, got 8; documents lost with it: 1 added, 0 removed'];
  const { model, call } = setUp({ 'index-create': { index: 1, documents: [], keeping: { persisted: 'opfs' }, lost, warning: undefined } });
  const index = await createIndex({ model, name: 'notes', recover: true, verify: true });
  expect(asked(call, 'index-create')).toMatchObject([{ name: 'notes', recover: true, verify: true }]);
  expect(index.lost).toEqual(lost);
  expect(warn.mock.calls).toEqual([[`heatseek: the index 'notes' is as it was before its last change (${lost[0]})`]]);
  warn.mockRestore();
});

test('an index that cannot be stored says so, once to the console, and again when it is', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const persist = vi.fn(async () => true);
  vi.stubGlobal('navigator', { storage: { persist } });
  const full = { persisted: 'memory', warning: 'no room' };
  const { model, answers } = setUp({}, { keeping: full });
  const index = await createIndex({ model, name: 'notes' });
  expect(persist).not.toHaveBeenCalled();
  await index.add('a');
  expect(index).toMatchObject(full);
  expect(warn.mock.calls).toEqual([['heatseek: no room']]);
  answers['index-remove'] = { count: 1, keeping: { persisted: 'opfs' } };
  expect(await index.remove('0')).toBe(1);
  expect(index).toMatchObject({ persisted: 'opfs', warning: undefined, size: 0 });
  warn.mockRestore();
});

const cycle: Record<string, unknown> = { a: 1 };
cycle['self'] = [cycle];

test.each<[unknown, RegExp]>([
  [{ render: () => 1 }, /^documents\[0\].metadata.render is a function; expected JSON/],
  [{ pages: [1, NaN] }, /^documents\[0\].metadata.pages\[1\] is NaN; /],
  [{ n: 10n }, /metadata.n is 10; expected JSON/],
  [cycle, /metadata.self\[0\] is an object that it is in itself/],
  [{ 'a b': { at: new Date(0) } }, /metadata\["a b"\].at is a Date; /],
  [new Map(), /metadata is a Map; /],
  [[, 1], /metadata\[0\] is undefined; /],
  [Symbol('x'), /metadata is a symbol; /],
  [{ text: 'half \ud83d' }, /metadata.text is a string with half of a character; /],
  [JSON.parse('['.repeat(101) + ']'.repeat(101)), /more than 100 levels deep/],
])('an index with a name refuses the metadata %#', async (metadata, message) => {
  const { model, call } = setUp();
  const index = await createIndex({ model, name: 'notes' });
  await expect(index.add({ text: 'a', metadata })).rejects.toEqual(bad('invalid_input', message));
  expect(asked(call, 'index-add')).toEqual([]);
  expect(index.size).toBe(0);
});

test('metadata that is JSON goes to the engine as such', async () => {
  const { model, call } = setUp();
  const index = await createIndex({ model, name: 'notes' });
  const twice = { b: 1 };
  const metadata = { a: [null, true, -0.5, 'ü', {}], left: undefined, twice: [twice, twice], bare: Object.create(null) as object };
  await index.add({ id: 'x', text: 'a', metadata });
  expect(asked(call, 'index-add')).toMatchObject([
    { documents: [{ metadata: '{"a":[null,true,-0.5,"ü",{}],"twice":[{"b":1},{"b":1}],"bare":{}}' }] },
  ]);
});

test('a search passes on what it is asked for, with the defaults', async () => {
  const { model, call } = setUp({ 'index-search': { hits: [], gpuBytes: 0 } });
  const index = await createIndex({ model });
  const filter: Filter = { year: { $gte: 2020 }, left: undefined };
  await index.search('a');
  await index.search('a', { hybrid: true, filter, topK: 3 });
  await index.search('a', { hybrid: { weight: 0, fusion: 'scores', k: 1 }, perDocument: 1, threshold: -1, diversity: 1, oversampling: 4 });
  await index.search('a', { hybrid: false, diversity: 0 });
  expect(asked(call, 'index-search').map((args) => (args as { settings: unknown }).settings)).toEqual([
    { topK: 10 },
    { topK: 3, filter: '{"year":{"$gte":2020}}', hybrid: { fusion: 'rrf', k: 60, weight: 0.5 } },
    { topK: 10, hybrid: { fusion: 'scores', k: 1, weight: 0 }, perDocument: 1, threshold: -1, diversity: 1, oversampling: 4 },
    { topK: 10 },
  ]);
});

test('explained hits are those of the search, each with why', async () => {
  const chunk = (text: string) => ({ text, start: 0, end: text.length });
  const hits = ['a', 'b'].map((id) => ({ id, score: 1, chunk: chunk(`chunk of ${id}`) }));
  const { model, call } = setUp({ 'index-search': { hits, gpuBytes: 0 }, explain: { score: 1 } });
  const index = await createIndex({ model, pooling: 'max', metric: 'dot' });
  await index.add(['a', 'b'].map((id) => ({ id, text: id })));
  const { signal } = new AbortController();
  expect(await index.search('q', { explain: true, signal })).toMatchObject(hits.map((hit) => ({ ...hit, explanation: { score: 1 } })));
  const side = { pooling: 'max', hidden: false };
  expect(asked(call, 'explain')).toEqual(
    hits.map(({ chunk }) => ({ query: 'q', passage: chunk.text, settings: { query: side, passage: side, metric: 'dot' } })),
  );
  expect(call).toHaveBeenLastCalledWith('explain', expect.anything(), { signal });
  const distances = await createIndex({ model, metric: 'euclidean' });
  await expect(distances.search('q', { explain: true })).rejects.toEqual(bad('invalid_input', /^explain is true; expected false: a distance/));
});

test('facets are asked for by field', async () => {
  const values = [{ value: '"bees"', count: 2 }, { value: '2020', count: 1 }, { value: 'true', count: 1 }];
  const { model, call } = setUp({ 'index-facets': [{ field: 'tags', values }] });
  const index = await createIndex({ model });
  expect(await index.facets('tags', { filter: { year: 2020 } })).toEqual([
    { field: 'tags', values: [{ value: 'bees', count: 2 }, { value: 2020, count: 1 }, { value: true, count: 1 }] },
  ]);
  expect(asked(call, 'index-facets')).toEqual([{ index: 1, fields: ['tags'], filter: '{"year":2020}', top: 100 }]);
  await expect(index.facets('tags', { top: 0 })).rejects.toEqual(bad('invalid_input', /^top is 0/));
  await expect(index.facets([1] as never)).rejects.toEqual(bad('invalid_input', /^fields\[0\] is 1; expected a string$/));
});

test('what is exported is a Blob, and any bytes are imported', async () => {
  const { model, call } = setUp({ 'index-export': new Uint8Array([1, 2, 3]) });
  const blob = await (await createIndex({ model })).export();
  expect(new Uint8Array(await blob.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
  for (const from of [blob, new Uint8Array([1, 2, 3]), new Uint8Array([1, 2, 3]).buffer]) await createIndex({ model, from });
  for (const args of asked(call, 'index-create').slice(1)) {
    expect([...new Uint8Array(await (args as { from: Blob }).from.arrayBuffer())]).toEqual([1, 2, 3]);
  }
});

test.each<[SearchOptions, RegExp]>([
  [{ topK: 0 }, /^topK is 0/],
  [{ filter: [] as never }, /^filter is an array; expected an object$/],
  [{ filter: { year: { $gt: NaN } } }, /^filter.year.\$gt is NaN; expected JSON/],
  [{ hybrid: 'yes' as never }, /^hybrid is 'yes'; expected true, false or an object$/],
  [{ hybrid: { weight: 1.1 } }, /^hybrid.weight is 1.1; expected a number from 0 to 1$/],
  [{ hybrid: { k: -1 } }, /^hybrid.k is -1; expected a number, 0 or more$/],
  [{ hybrid: { fusion: 'sum' as never } }, /^hybrid.fusion is 'sum'; expected one of rrf, scores$/],
  [{ hybrid: { alpha: 1 } as never }, /^hybrid has no option 'alpha'; there are weight, fusion, k$/],
  [{ perDocument: 0 }, /^perDocument is 0/],
  [{ threshold: Infinity }, /^threshold is Infinity; expected a finite number$/],
  [{ diversity: -0.1 }, /^diversity is -0.1/],
  [{ oversampling: 1.5 }, /^oversampling is 1.5/],
  [{ explain: 1 as never }, /^explain is 1; expected true or false$/],
  [{ limit: 3 } as never, /^search has no option 'limit'/],
])('search refuses %j', async (options, message) => {
  const { model, call } = setUp();
  const index = await createIndex({ model });
  await expect(index.search('a', options)).rejects.toEqual(bad('invalid_input', message));
  expect(asked(call, 'index-search')).toEqual([]);
});

test.each<[IndexOptions, RegExp]>([
  [{ name: '' }, /^name is ''; expected 1 to 80 bytes/],
  [{ name: '../notes' }, /^name is '..\/notes'/],
  [{ name: '..' }, /^name is '..'/],
  [{ name: 'a\\b' }, /^name is/],
  [{ name: 'a\u0000b' }, /^name is/],
  [{ name: ' notes' }, /^name is ' notes'/],
  [{ name: 'notes\ud83d' }, /^name is/],
  [{ name: 'ä'.repeat(41) }, /^name is a string/],
  [{ name: 7 as never }, /^name is 7/],
  [{ storage: 'int4' as never }, /^storage is 'int4'; expected one of f32, f16, int8, binary$/],
  [{ metric: 'l2' as never }, /^metric is 'l2'; expected one of cosine, dot, euclidean$/],
  [{ from: 'index.bin' as never }, /^from is 'index.bin'; expected a Blob/],
])('createIndex refuses %j', async (options, message) => {
  const { model, call } = setUp();
  await expect(createIndex({ model, ...options })).rejects.toEqual(bad('invalid_input', message));
  expect(call).not.toHaveBeenCalled();
});

test.each<[unknown, RegExp]>([
  [5, /^documents\[0\] is 5; expected a string or \{ id\?, text, metadata\? \}$/],
  [['a', { title: 'b' }], /^documents\[1\].text is undefined; expected a string$/],
  [{ id: 1, text: 'a' }, /^documents\[0\].id is 1; expected a string$/],
  [{ id: 'a\udc00', text: 'a' }, /^documents\[0\].id is 'a.*'; expected a string without half characters$/],
])('add refuses %j', async (documents, message) => {
  const index = await createIndex({ model: setUp().model });
  await expect(index.add(documents as string)).rejects.toEqual(bad('invalid_input', message));
});

test.each<[unknown, RegExp]>([
  [{ tokens: 0 }, /^chunk.tokens is 0/],
  [{ tokens: 10, overlap: 10 }, /^chunk.overlap is 10; expected less than chunk.tokens, 10$/],
  [{ size: 10 }, /^chunk has no option 'size'; there are tokens, overlap, characters, sentences, markdown$/],
  [true, /^chunk is true; expected an object$/],
])('add refuses the chunks %j', async (chunk, message) => {
  const index = await createIndex({ model: setUp().model });
  await expect(index.add('a', { chunk: chunk as false })).rejects.toEqual(bad('invalid_input', message));
});

test('an index refuses other queries than strings, and everything once disposed of', async () => {
  const index = await createIndex({ model: setUp().model });
  await expect(index.search(['a'] as unknown as string)).rejects.toEqual(bad('invalid_input', /^query is an array/));
  index.dispose();
  index.dispose();
  for (const late of [() => index.search('a'), () => index.add('a'), () => index.remove('a'), () => index.facets('a'), () => index.export()]) {
    await expect(late()).rejects.toEqual(bad('disposed', 'index'));
  }
  await expect(createIndex({ model: {} as Model })).rejects.toEqual(bad('invalid_input', /made by load\(\)/));
});

test('what takes long can be stopped: a change that has begun is waited for', async () => {
  const { model, call, answers } = setUp({ 'index-export': new Uint8Array(3) });
  const { signal } = new AbortController();
  const onProgress = () => {};
  const index = await createIndex({ model, signal, onProgress });
  expect(call.mock.lastCall?.[2]).toMatchObject({ signal, onProgress, settled: true });
  answers['index-remove'] = { count: 1, keeping: { persisted: 'memory' } };
  expect(await index.remove('a', { signal })).toBe(1);
  expect(call).toHaveBeenLastCalledWith('index-remove', { index: 1, ids: ['a'] }, { signal, settled: true });
  expect((await index.export({ signal })).size).toBe(3);
  expect(call).toHaveBeenLastCalledWith('index-export', { index: 1 }, { signal });
  await expect(index.export({ onProgress } as object)).rejects.toEqual(bad('invalid_input', /export has no option 'onProgress'/));
  await expect(index.remove('a', { signal: 1 } as object)).rejects.toEqual(bad('invalid_input', /signal is 1/));
  expect(call.mock.calls.filter(([name]) => name === 'index-remove')).toHaveLength(1);
});
