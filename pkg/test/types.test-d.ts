/** Calls that must compile, and calls that must not. Checked by `tsc`, never run. */
import { unpackArchive, type UnpackedArchive } from '../src/archive.js';
import {
  clearCache, createIndex, deleteCached, deleteIndex, HeatseekError, isCached, listCached, listIndexes, load, maxSim, version,
} from '../src/index.js';
import type {
  Analysis, CachedModel, Chunk, Document, Embeddings, EmbedOptions, ErrorCode, Explanation, Facet, Fetch, Filter, Hit, Index, Model,
  ModelSource, Neuron, PoolerInfo, Pooling, Progress,
} from '../src/index.js';

const signal = new AbortController().signal;
const onProgress = ({ stage, loaded, total, file }: Progress) => [stage, loaded, total, file];

export async function allowed(worker: Worker, module: WebAssembly.Module, response: Response): Promise<unknown> {
  await load('owner/name', { device: 'auto', dtype: 'auto', revision: 'main', signal, onProgress, cache: false });
  await load('./models/m/', { worker: false, wasm: new URL('https://cdn.test/heatseek.wasm') });
  await load(new URL('https://cdn.test/m/'), { worker, wasm: module, sha256: { 'model.safetensors': '00' } });
  await load('owner/name', { worker: new URL('https://cdn.test/worker.js'), wasm: response });
  await load('owner/name', { signal: undefined, wasm: new Uint8Array(8) });
  await load('owner/name', { threads: 2, wasm: { baseline: module, relaxed: new URL('https://cdn.test/relaxed.wasm') } });

  using model: Model = await load('owner/name');
  const { data, shape, hidden }: Embeddings = await model.embed('text');
  await model.embed(['a', 'b'] as const, { pooling: 'first_token', normalize: true, hidden: true, maxLength: 128 });
  await model.embed([], { promptName: 'query', signal, onProgress });
  await model.embed('a', { priority: 'bulk' });
  const { timing } = await model.embed('a', { timing: true });
  const ms: readonly (number | undefined)[] = [timing?.prepare, timing?.compute, timing?.readBack, model.timeline[0]?.end];
  const gem: Pooling = { name: 'gem', p: 3 };
  const pooled = await model.embed('a', { pooling: gem, poolingWeights: new ArrayBuffer(8), includePrompt: false, weights: true });
  const told: [number | undefined, Float32Array | undefined, string | undefined] = [pooled.counts?.[0], pooled.weights?.[0], pooled.warning];
  const ranges = { min: new Float32Array(384), max: new Float32Array(384) };
  const bytes: Int8Array = (await model.embed('a', { truncateDim: 64, precision: 'int8', ranges })).data;
  const bits: Uint8Array = (await model.embed('a', { precision: 'ubinary' })).data;
  const chosen: EmbedOptions = { precision: 'binary' };
  const any: Float32Array | Int8Array | Uint8Array = (await model.embed('a', chosen)).data;
  const [info]: readonly PoolerInfo[] = await model.poolers();
  if (info) await model.embed('a', { pooling: info.name });
  const { chunks, ...vectors } = await model.embedChunks('a', { chunk: { tokens: 10 }, late: true, pooling: 'none', signal });
  const chunk: Chunk | undefined = chunks[0];
  const score: number = maxSim(vectors, await model.embed('a', { pooling: 'none' }));
  await model.attention('a', { reduce: 'flow', query: 1, fusion: 'max', residual: 0.5, discardRatio: 0.9, layers: [0] });
  const { q }: Neuron = await model.neuron('a', { layer: 0, head: 0, query: 1, signal });
  const first: Float32Array = data.subarray(0, shape[1]);
  const kind: 'gpu' | 'cpu' | 'reference' = model.info.device.kind;

  const { entropy, rings, graph }: Analysis = await model.analyze('text', { layers: [0], promptName: 'query', signal });
  const type: 'centralised' | 'distributed' | 'bidirectional' | undefined = graph[0]?.type;
  await model.analyze(new Blob([]), { onProgress });

  using index: Index = await createIndex({ model, metric: 'dot', pooling: gem, truncateDim: 64, late: true });
  const ids: string[] = await index.add(['a', { text: 'b' }, { id: 'c', text: 'c', metadata: { page: 3 } }], {
    chunk: { tokens: 100, overlap: 20 }, signal, onProgress,
  });
  await index.add('a', { chunk: false });
  const hits: Hit[] = await index.search('query', { topK: 3, rerank: new Uint8Array(8), priority: 'interactive' });
  await index.remove(ids);
  const filter: Filter = { year: { $gte: 2020, $lt: 2030 }, $or: [{ tags: 'bees' }, { 'author.name': { $in: ['Ann'] } }], a: null };
  const [hit] = await index.search('query', {
    filter, hybrid: { weight: 0.3, fusion: 'scores', k: 10 }, perDocument: 1, threshold: 0.2, diversity: 0.5, oversampling: 4, explain: true,
  });
  const given: Explanation | undefined = hit?.explanation;
  const [facet]: Facet[] = await index.facets(['tags'], { filter: { $not: { year: 2020 } }, signal });
  const kept = await createIndex({ model, name: 'notes', from: await index.export(), storage: 'int8', metric: 'euclidean', signal });
  const { scales, identity: { dtype } }: UnpackedArchive = await unpackArchive(await index.export());
  const unpacked: [Blob | undefined, 'f32' | 'f16' | 'i8' | 'bits'] = [scales, dtype];
  const place: 'opfs' | 'indexeddb' | 'folder' | 'memory' = kept.persisted;
  const one: Document | undefined = kept.has('a') ? kept.get('a') : kept.get(kept.ids()[0] ?? '');
  for (const { name } of await listIndexes()) await deleteIndex(name);
  const why: Explanation = await model.explain('query', hits[0]?.chunk.text ?? '', { query: { promptName: 'query' } });
  const parts: Float32Array | undefined = why.passage.contributions;
  await model.explain(data, new Blob(), { metric: 'dot', pooling: 'mean', signal, onProgress });
  const fall: number | undefined = (await model.occlusion('text', { against: data, signal, onProgress })).data[0];
  await model.occlusion(new Blob(), { against: './cat.jpg', window: 3 });
  const code: ErrorCode = new HeatseekError('aborted', 'stopped', { cause: signal.reason }).code;
  return [
    first, q, kind, type, entropy, rings?.shape, hits[0]?.document.text, code, version, hidden?.[0]?.length, index.size, parts, fall,
    told, bytes, bits, any, chunk, score, ms, given, facet?.values[0]?.count, place, one, unpacked,
  ];
}

export async function sources(folder: FileSystemDirectoryHandle, input: HTMLInputElement, blob: Blob): Promise<unknown> {
  const all: ModelSource[] = [
    'owner/name', new URL('https://cdn.test/m/'), folder, [new File([], 'config.json')], { 'config.json': blob },
    new Map([['config.json', new Uint8Array(8)]]), { 'config.json': new ArrayBuffer(8), 'tokenizer.json': new Uint8Array(8) },
  ];
  if (input.files) all.push(input.files);
  const proxied: Fetch = (url, { method, headers, signal: stop }) => fetch(`/proxy?${url}`, { method, headers, signal: stop });
  const [source] = all;
  if (source) await load(source, { fetch, headers: { authorization: 'Bearer' }, hub: 'https://mirror.test', retries: 0 });
  await load('owner/name', { fetch: proxied, headers: async (url) => new Headers({ authorization: url }) });
  const warnings: readonly string[] = (await load('owner/name', { fetch: () => new Response() })).warnings;
  const kept: CachedModel[] = await listCached();
  const there: boolean = await isCached('owner/name', { revision: 'main', hub: new URL('https://mirror.test') });
  const gone: boolean = await deleteCached(kept[0]?.url ?? '/m/');
  await clearCache();
  return [warnings, there, gone, kept[0]?.files[0]?.complete];
}

export async function refused(model: Model, index: Index, hit: Hit): Promise<void> {
  // @ts-expect-error a model must be named
  await load();
  // @ts-expect-error a folder of a file system is opened, not named by number
  await load(7);
  // @ts-expect-error files hold bytes
  await load({ 'config.json': 'text' });
  // @ts-expect-error a file is no folder
  await load({} as FileSystemFileHandle);
  // @ts-expect-error there are two priorities
  await (await load('owner/name')).embed('a', { priority: 'high' });
  // @ts-expect-error a fetch answers with a Response
  await load('owner/name', { fetch: async () => 'text' });
  // @ts-expect-error headers are text
  await load('owner/name', { headers: { authorization: 7 } });
  // @ts-expect-error files of the user's are never kept
  await isCached([new File([], 'config.json')]);
  // @ts-expect-error no such device
  await load('owner/name', { device: 'webgpu' });
  // @ts-expect-error threads are counted
  await load('owner/name', { threads: 'all' });
  // @ts-expect-error no such precision
  await load('owner/name', { dtype: 'fp64' });
  // @ts-expect-error misspelt option
  await load('owner/name', { onprogress: onProgress });
  // @ts-expect-error a worker is no path
  await load('owner/name', { worker: './worker.js' });
  // @ts-expect-error an archive is a file, not its address
  await unpackArchive('./notes.heatseek');
  // @ts-expect-error not every index has scales
  (await unpackArchive(new Blob())).scales.size;
  // @ts-expect-error texts are strings
  await model.embed([1, 2]);
  // @ts-expect-error no such reduction
  await model.attention('a', { reduce: 'sum' });
  // @ts-expect-error a token is needed
  await model.neuron('a', { layer: 0, head: 0 });
  // @ts-expect-error no such pooling
  await model.embed('a', { pooling: 'average' });
  // @ts-expect-error no such pooling either
  await model.embed('a', { pooling: { name: 'average', p: 3 } });
  // @ts-expect-error a pooling has a name
  await model.embed('a', { pooling: { p: 3 } });
  // @ts-expect-error bytes, not where they are
  await model.embed('a', { poolingWeights: './pooling.safetensors' });
  // @ts-expect-error no such precision of vectors
  await model.embed('a', { precision: 'fp16' });
  // @ts-expect-error misspelt option
  await model.embed('a', { truncate_dim: 64 });
  // @ts-expect-error bits are no floats
  maxSim(await model.embed('a', { precision: 'ubinary' }), await model.embed('a'));
  // @ts-expect-error a signal, not its controller
  await model.embed('a', { signal: new AbortController() });
  // @ts-expect-error heads are all analysed
  await model.analyze('a', { heads: [0] });
  // @ts-expect-error the index needs a model
  await createIndex({});
  // @ts-expect-error no such metric
  await createIndex({ model, metric: 'manhattan' });
  // @ts-expect-error a distance is no sum over tokens
  await model.explain('query', 'passage', { metric: 'euclidean' });
  // @ts-expect-error no such storage
  await createIndex({ model, storage: 'int4' });
  // @ts-expect-error a file, not where it is
  await createIndex({ model, from: './index.bin' });
  // @ts-expect-error no such fusion
  await index.search('query', { hybrid: { fusion: 'sum' } });
  // @ts-expect-error which index
  await deleteIndex();
  // @ts-expect-error documents have a text
  await index.add({ id: 'a' });
  // @ts-expect-error true says nothing about chunks
  await index.add('a', { chunk: true });
  // @ts-expect-error one query at a time
  await index.search(['a', 'b']);
  // @ts-expect-error results are not to be changed
  hit.score = 1;
  // @ts-expect-error info is not to be changed
  model.info = hit;
  // @ts-expect-error one passage at a time
  await model.explain('query', ['a', 'b']);
  // @ts-expect-error a vector is a Float32Array
  await model.explain([1, 2], 'passage');
  // @ts-expect-error the window counts patches
  await model.occlusion('a', { window: '3px' });
  // @ts-expect-error no such code
  throw new HeatseekError('oops', 'message');
}
