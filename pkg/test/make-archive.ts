/** Archives made by hand, as docs/index-format.md says, with sums by Node. Their tensors lie in the order of their names. */
import { createHash } from 'node:crypto';

/** What an archive is made of; tests change parts of it. */
export interface Parts {
  identity: Record<string, unknown>;
  /** Each line of the documents. */
  lines: string[];
  /** What is behind the last of them. */
  end: string;
  /** Document, start, end, first row, rows. */
  chunks: number[][];
  removed: number[][];
  /** The tensor `vectors`: dtype and shape. */
  kind: [dtype: string, shape: number[]];
  vectors: Uint8Array;
  scales?: Uint8Array;
  /** What becomes of both files of tensors. */
  written: (file: Uint8Array) => Uint8Array;
  /** Changes the segment's entry before the manifest is summed. */
  entry: (entry: Entry) => void;
  /** Changes the manifest before it is summed. */
  manifest: (manifest: Record<string, unknown>) => void;
  /** Changes the files before they are put together. */
  files: (files: Record<string, Uint8Array>) => void;
}

export interface Entry {
  number: unknown;
  counts: Record<string, unknown>;
  vectors: Record<string, unknown>;
  documents?: Record<string, unknown> | undefined;
}

type Tensor = readonly [dtype: string, shape: readonly number[], data: Uint8Array];

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const sum = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const u32 = (rows: readonly (readonly number[])[]): Uint8Array => new Uint8Array(Uint32Array.from(rows.flat()).buffer);
export const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** A file with this header, or one that fits its tensors. */
export function safetensors(tensors: Readonly<Record<string, Tensor>>, header?: string): Uint8Array {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, [dtype, shape, data]]) => {
    const data_offsets = [end, (end += data.length)];
    return [name, { dtype, shape, data_offsets }];
  });
  const json = utf8(header ?? JSON.stringify(Object.fromEntries(entries)));
  const length = new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer);
  return joined(length, json, ...Object.values(tensors).map(([, , data]) => data));
}

/** One of three documents with two chunks in the first, and vectors `[3, 2]` of f32; or with what is changed of that. */
export function makeArchive(change: Partial<Parts> = {}): Uint8Array {
  const { identity, lines, end, chunks, removed, kind, vectors, scales, written, entry, manifest, files } = { ...parts(), ...change };
  const segment = written(safetensors({
    chunks: ['U32', [chunks.length, 5], u32(chunks)],
    removed: ['U32', [removed.length, 2], u32(removed)],
    ...(scales && { scales: ['F32', [scales.length / 4], scales] }),
    vectors: [...kind, vectors],
  }));
  const documents = utf8(lines.join('\n') + end);
  const fileEntry = (name: string, bytes: Uint8Array) => ({ name, bytes: bytes.length, sha256: sum(bytes) });
  const of: Entry = {
    number: 1,
    counts: { documents: lines.length, chunks: chunks.length, rows: kind[1][0], removed: removed.length },
    vectors: fileEntry('vectors-00000001.safetensors', segment),
    ...(lines.length > 0 && { documents: fileEntry('documents-00000001.jsonl', documents) }),
  };
  entry(of);
  const body: Record<string, unknown> = {
    format: 'heatseek-index', version: 1, library: '0.1.0', generation: 2, next_segment: 2, identity, segments: [of],
  };
  manifest(body);
  const all: Record<string, Uint8Array> = {
    'manifest-a.json': sealed(JSON.stringify(body)),
    'vectors-00000001.safetensors': segment,
    ...(lines.length > 0 && { 'documents-00000001.jsonl': documents }),
  };
  files(all);
  return written(asArchive(all));
}

/** The same tensors, named in the opposite order, with something else in the header. */
export function reversed(file: Uint8Array): Uint8Array {
  const start = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = Object.entries(JSON.parse(Buffer.from(file.subarray(8, start)).toString()) as object);
  const json = JSON.stringify(Object.fromEntries([...header.toReversed(), ['__metadata__', { format: 'np' }]]));
  return safetensors({ all: ['U8', [], file.subarray(start)] }, json);
}

/** A manifest with its sum. */
export const sealed = (body: string): Uint8Array => utf8(`{"sha256":"${sum(utf8(body))}","manifest":${body}}\n`);

/** An archive of these files. */
export const asArchive = (files: Readonly<Record<string, Uint8Array>>): Uint8Array =>
  safetensors(Object.fromEntries(Object.entries(files).map(([name, data]) => [name, ['U8', [data.length], data]])));

function parts(): Parts {
  return {
    identity: {
      model: 'bert with 2 elements, 1 layers', fingerprint: '53aa', pooling: 'auto', metric: 'cosine', dtype: 'f32', width: 2,
      settings: { storage: 'f32' },
    },
    end: '\n',
    // é and 🐝 have two and four bytes.
    lines: ['{"id":"a","text":"café 🐝 dance","metadata":{"big":12345678901234567890,"one":1.0}}', '{"id":"b","text":""}', '{"id":"c","text":"x"}'],
    chunks: [[0, 0, 5, 0, 1], [0, 6, 16, 1, 2], [2, 0, 1, 1, 1]],
    removed: [],
    kind: ['F32', [3, 2]],
    vectors: new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer),
    written: (file) => file,
    entry: () => {},
    manifest: () => {},
    files: () => {},
  };
}
