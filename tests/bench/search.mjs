// node tests/bench/search.mjs [--count 1000000] [--storage int8,binary] [--scan cpu,gpu] [--queries 20] [--json FILE]
//
// What a search of an index of `count` vectors costs in Chromium, through the npm package, on the CPU and on WebGPU (of
// SwiftShader, where there is no GPU; add --adapter '' to take what the browser has), and what it finds: recall of the best
// ten against all products in f64. The vectors are sums of three of 4096 random directions and, with less of them, of what
// texts of the model are, so that queries have neighbours; they come into the index as an archive (docs/index-format.md)
// whose one document has as many passages. `search` is a whole call, `embed` the query's part of it, timed alone.
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { launch, open } from '../browser/chromium.mjs';
import { serve } from '../browser/serve.mjs';
import { ROOT } from './site.mjs';

const { values: given } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    storage: { type: 'string', default: 'int8,binary' },
    scan: { type: 'string', default: 'cpu,gpu' },
    queries: { type: 'string', default: '20' },
    adapter: { type: 'string', default: 'swiftshader' },
    json: { type: 'string' },
  },
});
const MODEL = 'all-MiniLM-L6-v2';
const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>search</title>
<script type=module>import * as heatseek from '/heatseek/index.js'; Object.assign(window, { heatseek, ready: true });</script>`;

/** Runs in the page: makes vectors and the truth about them. */
async function prepare({ model, count, queries }) {
  const loaded = await heatseek.load(`/models/${model}/`, { device: 'gpu', tune: 'never', cache: false });
  const texts = Array.from({ length: queries }, (_, i) => `how do bees of field number ${i} find their way home`);
  const { data, shape: [, dim] } = await loaded.embed(texts);
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 0;
  };
  const unit = (row) => {
    const length = Math.hypot(...row);
    return row.map((v) => v / length);
  };
  const sources = Array.from({ length: 4096 }, () => unit(Float32Array.from({ length: dim }, () => random() / 2 ** 31 - 1)));
  const asked = texts.map((_, i) => data.slice(i * dim, (i + 1) * dim));
  const [integers, scales] = [new Int8Array(count * dim), new Float32Array(count)];
  const best = texts.map(() => []);
  const row = new Float32Array(dim);
  for (let at = 0; at < count; at++) {
    const [a, b, c] = [sources[random() >>> 20], sources[random() >>> 20], sources[random() >>> 20]];
    const text = asked[(random() >>> 8) % queries];
    const share = (random() >>> 8) / 2 ** 24;
    let square = 0;
    for (let i = 0; i < dim; i++) square += (row[i] = a[i] + 0.7 * b[i] + 0.4 * c[i] + share * text[i]) ** 2;
    let largest = 0;
    for (let i = 0; i < dim; i++) largest = Math.max(largest, Math.abs((row[i] /= Math.sqrt(square))));
    scales[at] = largest / 127;
    for (let i = 0; i < dim; i++) integers[at * dim + i] = Math.round(row[i] / scales[at]);
    for (let q = 0; q < queries; q++) {
      let score = 0;
      for (let i = 0; i < dim; i++) score += asked[q][i] * row[i];
      const list = best[q];
      if (list.length === 10 && score <= list[9].score) continue;
      list.push({ at, score });
      list.sort((x, y) => y.score - x.score).splice(10);
    }
  }
  Object.assign(window, { loaded, dim, texts, integers, scales, best });
  return { device: loaded.info.device, dim };
}

/** Runs in the page: these vectors as an index of this storage, as a file. */
async function archive({ storage, count }) {
  const hex = async (bytes) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((b) => b.toString(16).padStart(2, '0')).join('');
  const encode = (text) => new TextEncoder().encode(text);
  /** A safetensors file as parts, of `[name, dtype, shape, bytes]`. */
  const safetensors = (tensors) => {
    let end = 0;
    const entries = tensors.map(([name, dtype, shape, bytes]) => [name, { dtype, shape, data_offsets: [end, (end += bytes.byteLength)] }]);
    let header = JSON.stringify(Object.fromEntries(entries));
    header = header.padEnd(Math.ceil(header.length / 8) * 8);
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
    return [length, encode(header), ...tensors.map(([, , , bytes]) => bytes)];
  };
  const small = await heatseek.createIndex({ model: loaded, storage });
  await small.add('one');
  const bytes = new Uint8Array(await (await small.export()).arrayBuffer());
  small.dispose();
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const { 'manifest-a.json': { data_offsets: [from, to] } } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const { manifest } = JSON.parse(new TextDecoder().decode(bytes.subarray(start + from, start + to)));
  const [segment] = manifest.segments;
  const chunks = new Uint32Array(count * 5);
  for (let i = 0; i < count; i++) chunks.set([0, i, i + 1, i, 1], i * 5);
  const vectors = await new Blob(safetensors([
    ['chunks', 'U32', [count, 5], chunks], ['removed', 'U32', [0, 2], new Uint32Array()],
    ['scales', 'F32', [count], scales], ['vectors', 'I8', [count, dim], integers],
  ])).arrayBuffer();
  const documents = encode(`${JSON.stringify({ id: 'all', text: '.'.repeat(count), metadata: null })}\n`);
  segment.counts = { ...segment.counts, documents: 1, chunks: count, rows: count, removed: 0 };
  Object.assign(segment.vectors, { bytes: vectors.byteLength, sha256: await hex(vectors) });
  Object.assign(segment.documents, { bytes: documents.length, sha256: await hex(documents) });
  manifest.segments = [segment];
  const text = JSON.stringify(manifest);
  const whole = encode(`{"sha256":"${await hex(encode(text))}","manifest":${text}}\n`);
  const files = [['manifest-a.json', whole], [segment.documents.name, documents], [segment.vectors.name, new Uint8Array(vectors)]];
  window.file = new Blob(safetensors(files.map(([name, data]) => [name, 'U8', [data.byteLength], data])));
  return file.size;
}

/** Runs in the page: searches of that, one after the other. */
async function measure({ storage, scan }) {
  const began = performance.now();
  const index = await heatseek.createIndex({ model: loaded, storage, scan, from: file });
  const opened = performance.now() - began;
  const first = performance.now();
  await index.search(texts[0]);
  const firstMs = performance.now() - first;
  const [search, embed] = [[], []];
  let hit = 0;
  const found = [];
  for (const [q, text] of texts.entries()) {
    let start = performance.now();
    await loaded.embed(text);
    embed.push(performance.now() - start);
    start = performance.now();
    const hits = await index.search(text);
    search.push(performance.now() - start);
    const places = hits.map(({ chunk }) => chunk.start);
    found.push(places);
    hit += best[q].filter(({ at }) => places.includes(at)).length;
  }
  const { gpuBytes } = index;
  index.dispose();
  return { opened, firstMs, search, embed, recall: hit / (10 * texts.length), found, gpuBytes };
}

const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.round((values.length - 1) * share)];
const rounded = (value) => Math.round(value * 10) / 10;

const server = await serve({ '/heatseek/': `${ROOT}/pkg/dist`, '/models/': process.env.HEATSEEK_MODELS ?? `${ROOT}/models` }, (request, response) => {
  if (request.url !== '/') return false;
  response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
  return true;
});
const adapter = given.adapter === 'swiftshader' ? [] : [`--use-webgpu-adapter=${given.adapter || 'default'}`];
const browser = await launch({ args: adapter });
try {
  const { page } = await open(browser);
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
  const [count, queries] = [Number(given.count), Number(given.queries)];
  const { device, dim } = await page.evaluate(prepare, { model: MODEL, count, queries });
  const rows = [];
  for (const storage of given.storage.split(',')) {
    await page.evaluate(archive, { storage, count });
    const answers = {};
    for (const scan of given.scan.split(',')) {
      const { found, opened, firstMs, search, embed, recall, gpuBytes } = await page.evaluate(measure, { storage, scan });
      answers[scan] = found;
      if ((scan === 'gpu') !== gpuBytes > 0) throw new Error(`${storage}: asked for ${scan}, and ${gpuBytes} bytes are on the GPU`);
      const row = {
        storage, scan, gpu_bytes: gpuBytes, recall, open_ms: rounded(opened), first_search_ms: rounded(firstMs),
        search_p50_ms: rounded(quantile(search, 0.5)), search_p95_ms: rounded(quantile(search, 0.95)), embed_p50_ms: rounded(quantile(embed, 0.5)),
      };
      rows.push(row);
      console.log(JSON.stringify(row));
    }
    const [one, other] = Object.values(answers);
    if (other && one.some((places, q) => places.join() !== other[q].join())) throw new Error(`${storage}: both scans should find the same, and do not`);
  }
  const report = {
    date: new Date().toISOString().slice(0, 10), machine: `${cpus()[0].model}, ${cpus().length} cores`, browser: `Chromium ${browser.version()}`,
    command: `node tests/bench/search.mjs --count ${count} --queries ${queries}`, device, count, dim, queries, rows,
  };
  if (given.json) writeFileSync(given.json, `${JSON.stringify(report, undefined, 1)}\n`);
} finally {
  await browser.close();
  await server.close();
}
