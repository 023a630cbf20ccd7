import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { unpackArchive } from '../src/archive.js';
import { HeatseekError } from '../src/errors.js';
import { asArchive, joined, makeArchive, reversed, safetensors, sealed, type Parts } from './make-archive.js';

const ENGINES_OWN = join(import.meta.dirname, '../../crates/heatseek-search/tests/store/version-1');

const bytesOf = async (blob: Blob): Promise<Uint8Array> => new Uint8Array(await blob.arrayBuffer());
const linesOf = async (blob: Blob): Promise<string[]> => (await blob.text()).split('\n');

/** What NumPy reads: the header's dictionary, and the numbers behind it. */
async function readNpy(blob: Blob): Promise<{ header: string; data: Uint8Array<ArrayBuffer> }> {
  const bytes = await bytesOf(blob);
  expect([...bytes.subarray(0, 8)]).toEqual([0x93, ...Buffer.from('NUMPY'), 1, 0]);
  const end = 10 + new DataView(bytes.buffer).getUint16(8, true);
  expect(end % 64).toBe(0);
  const header = Buffer.from(bytes.subarray(10, end)).toString('latin1');
  expect(header).toMatch(/ }\x20*\n$/);
  return { header: header.trimEnd(), data: bytes.slice(end) };
}

/** What is wrong with this archive. */
async function refusal(archive: Uint8Array): Promise<HeatseekError> {
  const error: unknown = await unpackArchive(archive).then(() => new Error('it was taken'), (error: unknown) => error);
  expect(error).toBeInstanceOf(HeatseekError);
  return error as HeatseekError;
}

/** An archive of files that the engine wrote for its own tests. */
async function enginesOwn(manifest: string, segments: readonly number[]): Promise<Uint8Array> {
  const names = segments.flatMap((number) => [`vectors-0000000${number}.safetensors`, `documents-0000000${number}.jsonl`]);
  const read = async (name: string): Promise<Uint8Array> => new Uint8Array(await readFile(join(ENGINES_OWN, name)));
  const files = await Promise.all(names.map(async (name) => [name, await read(name)] as const));
  return asArchive({ 'manifest-a.json': await read(manifest), ...Object.fromEntries(files) });
}

test('what the engine wrote: int8 with scales, several rows a chunk, rows that are shared, other alphabets', async () => {
  const { identity, vectors, scales, documents } = await unpackArchive(await enginesOwn('manifest-b.json', [1]));
  expect(identity).toEqual({
    model: 'all-MiniLM-L6-v2', fingerprint: '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    pooling: 'mean', metric: 'cosine', dtype: 'i8', width: 4, settings: { late: 'false' },
  });
  const { header, data } = await readNpy(vectors);
  expect(header).toBe("{'descr': '|i1', 'fortran_order': False, 'shape': (3, 4), }");
  expect([...new Int8Array(data.buffer)]).toEqual([1, 2, 3, 4, -1, -2, -3, -4, 127, -128, 0, 1]);
  const factors = await readNpy(scales as Blob);
  expect(factors.header).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
  expect([...new Float32Array(factors.data.buffer)]).toEqual([0.5, 0.1, 1e-30].map(Math.fround));
  // As write_documents_jsonl of the engine has it, to the byte.
  expect(await linesOf(documents)).toEqual([
    '{"id":"bees","text":"Bees dance. 蜂は踊る。","metadata":{"weight":0.30000000000000004,"year":1923},"chunks":[{"start":0,"end":11,"row":0,"rows":1},{"start":12,"end":27,"row":1,"rows":2}]}',
    '{"id":"old","text":"","chunks":[]}',
    '{"id":"ants","text":"Ants count steps.","metadata":["<b>"],"chunks":[{"start":0,"end":17,"row":1,"rows":1}]}',
    '',
  ]);
});

test.each<[string, Partial<Parts>, string, number[]]>([
  ['f32', {}, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", [...new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)]],
  ['f16', { kind: ['F16', [3, 2]], vectors: Uint8Array.from({ length: 12 }, (_, i) => i) }, "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 2), }", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
  // Nine bits are two bytes.
  ['bits', { kind: ['U8', [3, 2]], vectors: Uint8Array.of(255, 1, 128, 0, 7, 1) }, "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2), }", [255, 1, 128, 0, 7, 1]],
])('vectors of %s', async (dtype, change, header, data) => {
  const identity = { model: 'm', fingerprint: 'f', pooling: 'auto', metric: 'dot', dtype, width: dtype === 'bits' ? 9 : 2, settings: {} };
  const unpacked = await unpackArchive(makeArchive({ ...change, identity }));
  expect(unpacked.identity).toEqual(identity);
  const read = await readNpy(unpacked.vectors);
  expect([read.header, [...read.data]]).toEqual([header, data]);
  expect('scales' in unpacked).toBe(false);
});

test('documents keep their bytes, also numbers that JavaScript has not', async () => {
  const { documents } = await unpackArchive(makeArchive());
  expect((await linesOf(documents)).slice(0, 2)).toEqual([
    '{"id":"a","text":"café 🐝 dance","metadata":{"big":12345678901234567890,"one":1.0},"chunks":[{"start":0,"end":5,"row":0,"rows":1},{"start":6,"end":16,"row":1,"rows":2}]}',
    '{"id":"b","text":"","chunks":[]}',
  ]);
});

test('bytes, a buffer and a file are one archive; anything else is none', async () => {
  const bytes = makeArchive();
  const file = new Blob([bytes.slice()]);
  const [expected, ...others] = await Promise.all(
    [bytes, bytes.slice().buffer, joined(bytes, bytes).subarray(0, bytes.length), file].map(async (archive) => {
      const { vectors, documents } = await unpackArchive(archive);
      return [await bytesOf(vectors), await documents.text()];
    }),
  );
  for (const other of others) expect(other).toEqual(expected);
  await expect(unpackArchive('a.heatseek' as never)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(/^archive is 'a.heatseek'; expected a Blob/) });
  vi.spyOn(file, 'slice').mockReturnValue({ arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) } as never);
  await expect(unpackArchive(file)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(/cannot be read/), cause: expect.any(DOMException) });
});

test('tensors are where the header says, in whichever order it does', async () => {
  const [one, other] = await Promise.all([makeArchive(), makeArchive({ written: reversed })].map(async (archive) => {
    const { vectors, documents } = await unpackArchive(archive);
    return [await bytesOf(vectors), await documents.text()];
  }));
  expect(one).toEqual(other);
});

test('an empty index has no rows and no lines; tombstones of what is gone mean nothing', async () => {
  const files = (all: Record<string, Uint8Array>): void => {
    delete all['vectors-00000001.safetensors'];
    delete all['documents-00000001.jsonl'];
  };
  const identity = { model: 'm', fingerprint: 'f', pooling: 'auto', metric: 'dot', dtype: 'i8', width: 384, settings: {} };
  const { vectors, scales, documents } = await unpackArchive(makeArchive({ identity, files, manifest: (body) => { body['segments'] = []; } }));
  expect(await readNpy(vectors)).toEqual({ header: "{'descr': '|i1', 'fortran_order': False, 'shape': (0, 384), }", data: new Uint8Array() });
  expect(await readNpy(scales as Blob)).toEqual({ header: "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }", data: new Uint8Array() });
  expect(documents.size).toBe(0);
  await unpackArchive(makeArchive({ removed: [[1, 0], [1, 2]] }));
});

test('what is no damage, and is not read all the same', async () => {
  const several = await refusal(await enginesOwn('manifest-a.json', [1, 2]));
  expect([several.code, several.message]).toEqual(['unsupported', expect.stringMatching(/^the archive has 2 segments/)]);
  const newer = await refusal(makeArchive({ manifest: (body) => { Object.assign(body, { version: 2, library: '7.0.0', segments: 'other' }); } }));
  expect([newer.code, newer.message]).toEqual(['unsupported', expect.stringMatching(/version 2, written by heatseek '7.0.0'; this one reads up to version 1/)]);
  vi.stubGlobal('crypto', {});
  const insecure = await refusal(makeArchive());
  expect([insecure.code, insecure.message]).toEqual(['unsupported', expect.stringMatching(/crypto\.subtle/)]);
});

const VECTORS = 'vectors-00000001.safetensors';
const DOCUMENTS = 'documents-00000001.jsonl';
/** A file's tensors with a header of one's own. */
const headed = (header: unknown, data = 4): Uint8Array =>
  safetensors({ a: ['U8', [data], new Uint8Array(data)] }, typeof header === 'string' ? header : JSON.stringify(header));
const one = (data_offsets: unknown, more: object = {}): Uint8Array => headed({ a: { dtype: 'U8', shape: [4], data_offsets, ...more } });

test.each<[string, Uint8Array, RegExp]>([
  ['nothing', new Uint8Array(7), /^archive, safetensors header: expected 8 bytes, got 7;/],
  ['a length beyond the file', Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), /at most 4 MiB, got 1;/],
  ['a length beyond any', new Uint8Array(9).fill(255), /at most 4 MiB, got 18446744073709551615;/],
  ['a header of more than 4 MiB', headed(`{}${' '.repeat(4 << 20)}`, 0), /at most 4 MiB, got 4194306;/],
  ['no JSON', headed('{'), /header: expected JSON, got /],
  ['no UTF-8', joined(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0), Uint8Array.of(0x7b, 0xff)), /header: expected UTF-8/],
  ['a list', headed([]), /header: expected an object, got an array;/],
  ['deeper than any stack', headed('['.repeat(1 << 20)), /safetensors header/],
  ['a number for a tensor', headed({ a: 1 }), /"a": expected an object, got 1;/],
  ['no dtype', one([0, 4], { dtype: ['U8'] }), /"a": expected a string, got an array;/],
  ['no shape', one([0, 4], { shape: 4 }), /"a": expected a shape/],
  ...[[0, 4.5], ['0', 4], [0], 4].map((offsets): [string, Uint8Array, RegExp] => [`offsets ${JSON.stringify(offsets)}`, one(offsets), /"a": expected data_offsets/]),
  ['less than the data', one([0, 3]), /expected tensors of 4 bytes, got 3;/],
  ['more than the data', one([0, 5]), /expected tensors of 4 bytes, got 5;/],
  ['a gap', one([1, 4]), /a: expected bytes from 0 on, got 1 to 4;/],
  ['an end before its beginning', headed({ a: { dtype: 'U8', shape: [4], data_offsets: [0, 4] }, b: { dtype: 'U8', shape: [0], data_offsets: [4, 0] } }), /b: expected bytes from 4 on, got 4 to 0;/],
  ['an overlap', headed({ a: { dtype: 'U8', shape: [4], data_offsets: [0, 4] }, b: { dtype: 'U8', shape: [2], data_offsets: [2, 4] } }), /b: expected bytes from 4 on, got 2 to 4;/],
  ['no manifest', headed('{}', 0), /^archive, manifest-a.json: expected U8 \[0\], got none;/],
  ['an archive of floats', safetensors({ 'manifest-a.json': ['F32', [1], new Uint8Array(4)] }), /^archive, manifest-a.json: expected U8 \[4\], got F32/],
])('a header that is %s', async (_, archive, message) => {
  const error = await refusal(archive);
  expect([error.code, error.message]).toEqual(['index_invalid', expect.stringMatching(message)]);
});

/** A change of the manifest's body; the sum is right. */
const body = (more: object): Partial<Parts> => ({ manifest: (manifest) => { Object.assign(manifest, more); } });
const identity = (more: object): Partial<Parts> => ({ manifest: ({ identity }) => { Object.assign(identity as object, more); } });
const counts = (more: object): Partial<Parts> => ({ entry: (entry) => { Object.assign(entry.counts, more); } });
const lines = (first: string): Partial<Parts> => ({ lines: [first, '{"id":"b","text":""}', '{"id":"c","text":"x"}'], chunks: [] });
const chunk = (...fields: number[]): Partial<Parts> => ({ chunks: [[0, 0, 5, 0, 1], fields] });
const file = (name: string, bytes: Uint8Array | undefined): Partial<Parts> => ({
  files: (files) => {
    if (bytes) files[name] = bytes;
    else delete files[name];
  },
});
const int8 = (scales: Uint8Array | undefined): Partial<Parts> =>
  ({ ...identity({ dtype: 'i8' }), kind: ['I8', [3, 2]], vectors: new Uint8Array(6), ...(scales && { scales }) });

test.each<[string, Partial<Parts>, RegExp]>([
  ['another file', file('notes.txt', new Uint8Array(1)), /^archive: expected only manifest-a.json, vectors-.*, documents-.*, got "notes.txt";/],
  ['a path', file('../manifest-a.json', new Uint8Array(1)), /got "..\/manifest-a.json";/],
  ['no vectors', file(VECTORS, undefined), /^archive, vectors-00000001.safetensors: expected U8 .*got none;/],
  ['no documents', file(DOCUMENTS, undefined), /^archive, documents-00000001.jsonl: expected U8 .*got none;/],
  ['a file of another length', file(DOCUMENTS, new Uint8Array(3)), /^archive, documents-00000001.jsonl: expected U8/],
  ['a manifest of 64 MiB', file('manifest-a.json', new Uint8Array((64 << 20) + 1)), /^manifest-a.json: expected at most 67108864 bytes/],
  ['a manifest with a mark before it', file('manifest-a.json', joined(Uint8Array.of(0xef, 0xbb, 0xbf), sealed('{}'))), /^manifest-a.json: expected a manifest with the sum/],
  ['a manifest of nothing', file('manifest-a.json', sealed('{}')), /^manifest-a.json, format: expected heatseek-index, got undefined;/],
  ['another format', body({ format: 'other' }), /format: expected heatseek-index, got 'other';/],
  ['version 0', body({ version: 0 }), /version: expected a whole number/],
  ['no identity', body({ identity: undefined }), /identity: expected an object, got undefined;/],
  ['no list of segments', body({ segments: {} }), /segments: expected an array, got an object;/],
  ['another dtype', identity({ dtype: 'f64' }), /identity.dtype: expected one of f32, f16, i8, bits, got 'f64';/],
  ['no width', identity({ width: 0 }), /identity.width: expected a whole number from 1 to 1048576, got 0;/],
  ['a model that is no text', identity({ model: 1 }), /identity.model: expected a string, got 1;/],
  ['a setting that is no text', identity({ settings: { late: true } }), /identity.settings, "late": expected a string, got true;/],
  ['a half count', counts({ rows: 1.5 }), /counts.rows: expected a whole number/],
  ['documents without their file', { entry: (entry) => { entry.documents = undefined; } }, /documents: expected a file exactly if there are any, got undefined;/],
  ['no segment number', { entry: (entry) => { entry.number = 0; } }, /number: expected a whole number from 1/],
  ['a file of another name', { entry: (entry) => { entry.vectors['name'] = '../x'; } }, /vectors.name: expected vectors-00000001.safetensors, got '..\/x';/],
  ['a sum that is none', { entry: (entry) => { entry.vectors['sha256'] = 'ABC'; } }, /vectors.sha256: expected 64 hexadecimal digits/],
  ['a length that is none', { entry: (entry) => { entry.vectors['bytes'] = -1; } }, /vectors.bytes: expected a whole number/],
  ['another sum', { entry: (entry) => { entry.documents = { ...entry.documents, sha256: '0'.repeat(64) }; } }, /^documents-00000001.jsonl: expected the SHA-256 0000.*, got [0-9a-f]{64};/],
  ['fewer rows than the vectors have', counts({ rows: 2 }), /^vectors-00000001.safetensors, vectors: expected F32 \[2,2\], got F32 of another shape/],
  ['more chunks than there are', counts({ chunks: 4294967295 }), /chunks: expected U32 \[4294967295,5\]/],
  ['other tombstones', counts({ removed: 1 }), /removed: expected U32 \[1,2\]/],
  ['a wider vector', identity({ width: 3 }), /vectors: expected F32 \[3,3\]/],
  ['vectors of another dtype', { kind: ['F16', [3, 2]], vectors: new Uint8Array(12) }, /vectors: expected F32 \[3,2\], got F16/],
  ['vectors with too few bytes', { vectors: new Uint8Array(20) }, /vectors: expected F32 \[3,2\], got F32 .* 20 bytes;/],
  ['vectors of three extents', { kind: ['F32', [3, 2, 1]] }, /vectors: expected F32 \[3,2\]/],
  ['int8 without scales', int8(undefined), /scales: expected F32 \[3\], got none;/],
  ['a scale that is no number', int8(new Uint8Array(Float32Array.of(1, NaN, 1).buffer)), /^vectors-00000001.safetensors, scale 1: expected a finite number, got NaN;/],
  ['scales of floats', { scales: new Uint8Array(12) }, /expected only chunks, removed, vectors, got "scales";/],
  ['a chunk of no document', chunk(3, 0, 0, 0, 1), /^vectors-00000001.safetensors, chunk 1: expected one of 3 documents, got 3;/],
  ['a chunk beyond the rows', chunk(0, 0, 0, 2, 2), /chunk 1: expected some of 3 vectors, got 2 from 2 on;/],
  ['a chunk whose rows overflow', chunk(0, 0, 0, 4294967295, 4294967295), /chunk 1: expected some of 3 vectors/],
  ['a chunk beyond the text', chunk(0, 0, 17, 0, 1), /^documents-00000001.jsonl, line 1: expected a chunk of whole characters of the 16 bytes of text, got 0 to 17;/],
  ['a chunk that ends before it begins', chunk(0, 5, 3, 0, 1), /got 5 to 3;/],
  ['a chunk that begins within a character', chunk(0, 4, 5, 0, 1), /got 4 to 5;/],
  ['a chunk that ends within a character', chunk(0, 0, 9, 0, 1), /got 0 to 9;/],
  ['a line that is no JSON', lines('{"id":"a"'), /^documents-00000001.jsonl, line 1: expected JSON/],
  ['a line that is no document', lines('[]'), /line 1: expected an object, got an array;/],
  ['a document without text', lines('{"id":"a"}'), /line 1, text: expected a string, got undefined;/],
  ['a document without id', lines('{"id":1,"text":""}'), /line 1, id: expected a string, got 1;/],
  ['a document with more', lines('{"id":"a","text":"","chunks":[]}'), /line 1: expected id, text, metadata and nothing else, got 'chunks';/],
  ['a last line that does not end', { end: '' }, /line 3: expected a line end, got none;/],
  ['an empty line', { end: '\n\n' }, /line 4: expected JSON/],
  ['half a character', lines('{"id":"a","text":"\\ud83d"}'), /line 1: expected whole characters/],
  ['an id that another has', lines('{"id":"c","text":""}'), /line 3: expected an id of its own, got "c" again;/],
  ['more documents than lines', { ...counts({ documents: 4 }), chunks: [] }, /^documents-00000001.jsonl: expected 4 documents, got 3;/],
])('damage with all sums right: %s', async (_, change, message) => {
  const error = await refusal(makeArchive(change));
  expect([error.code, error.message]).toEqual(['index_invalid', expect.stringMatching(message)]);
  expect(error.message).toMatch(/; the archive is damaged: export the index anew$/);
});

test('whatever byte is another, and wherever it ends, it is refused', async () => {
  const archive = await enginesOwn('manifest-b.json', [1]);
  const missed: string[] = [];
  const take = async (spoilt: Uint8Array, what: string): Promise<void> => {
    const code = await unpackArchive(spoilt).then(() => 'taken', (error: unknown) => (error instanceof HeatseekError ? error.code : String(error)));
    // A digit of the version makes it a newer one, were its sum right.
    if (code !== 'index_invalid') missed.push(`${what}: ${code}`);
  };
  for (let at = 0; at < archive.length; at++) {
    for (const mask of [0x01, 0x80]) {
      const spoilt = archive.slice();
      spoilt[at]! ^= mask;
      await take(spoilt, `byte ${at} ^ ${mask}`);
    }
    await take(archive.subarray(0, at), `${at} bytes`);
  }
  await take(joined(archive, Uint8Array.of(0)), 'one byte more');
  expect(missed).toEqual([]);
});

test('an abort is answered at once, and nothing more is read than the document it is at', async () => {
  const lines = Array.from({ length: 400 }, (_, at) => `{"id":"${at}","text":"x"}`);
  const chunks = lines.map((_, at) => [at, 0, 1, 0, 1]);
  const archive = makeArchive({ lines, chunks });
  // So much time goes by that other events are due their turn before every step.
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
  const parse = vi.spyOn(JSON, 'parse');
  const numbers = vi.spyOn(DataView.prototype, 'getUint32');
  const steps = () => numbers.mock.calls.length / 5 + parse.mock.calls.filter(([text]) => text.startsWith('{"id"')).length;
  try {
    await unpackArchive(archive, {});
    const whole = steps();
    expect(whole).toBe(800);
    for (const last of [1, 399, 401, 799]) {
      const abort = new AbortController();
      const [before, reason] = [steps(), new Error('enough')];
      // Between any two steps there is an event.
      const watch = () => {
        if (steps() - before >= last) abort.abort(reason);
        else setImmediate(watch);
      };
      setImmediate(watch);
      await expect(unpackArchive(archive, { signal: abort.signal })).rejects.toMatchObject({ code: 'aborted', cause: reason });
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(steps() - before, `aborted after ${last}`).toBeLessThanOrEqual(last + 3);
    }
    await expect(unpackArchive(archive, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    await expect(unpackArchive(archive, { onProgress: 1 } as object)).rejects.toMatchObject({ code: 'invalid_input' });
  } finally {
    vi.restoreAllMocks();
  }
});
