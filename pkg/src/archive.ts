/** `heatseek/archive`: for other programs, what `Index.export` gave. It is no part of what every page downloads. */
import { abortedError } from './aborted.js';
import { CHUNK_FIELDS, readChunks, withChunks } from './archive-documents.js';
import { MANIFEST, readManifest, sha256, type ArchiveIdentity, type FileEntry, type Segment } from './archive-manifest.js';
import { blob, contents } from './blobs.js';
import { options as checkedOptions, signal as checkedSignal } from './coerce.js';
import { Control } from './control.js';
import { damaged } from './damaged.js';
import { HeatseekError } from './errors.js';
import type { StopOptions } from './index-types.js';
import { npy } from './npy.js';
import { Tensors } from './safetensors.js';

export type { ArchiveIdentity, StopOptions };

/** What is in an archive, as files for other programs. */
export interface UnpackedArchive {
  /** What the vectors were made with. */
  readonly identity: ArchiveIdentity;
  /**
   * A `.npy` file: `[rows, width]` in the dtype they are stored in, as NumPy's `float32`, `float16` or `int8`; of `bits`
   * `[rows, ceil(width / 8)]` in `uint8`.
   */
  readonly vectors: Blob;
  /** With dtype `i8` a `.npy` file, `[rows]` in `float32`: what to multiply the elements of each row by. */
  readonly scales?: Blob;
  /**
   * The documents in the order they were added, as JSON, one a line:
   * `{ id, text, metadata, chunks: { start, end, row, rows }[] }`, `metadata` only if there is any. `row` is a chunk's first
   * row of `vectors`, `rows` how many it has, more than 1 where pooling gives several vectors a text; chunks may share them.
   * `start` and `end` count bytes of the text in UTF-8.
   */
  readonly documents: Blob;
}

/**
 * Takes apart what `index.export()` gave, for programs that read NumPy's files and JSON. It needs no model. Every file in
 * the archive is compared with its SHA-256; for that the one of the vectors is read into memory, and let go of again. The
 * vectors that come out are a part of the archive, not a copy.
 *
 * @param archive the file; or its bytes, which are copied once
 * @param options `signal`: an abort is answered at once, and the work ends with the document or table it is at. Other events
 *   have their turn meanwhile, too
 * @returns its vectors and documents; of an empty index no rows and no lines
 * @throws `index_invalid` if any of it is damaged or no file of an index, saying which and where; `unsupported` of a newer
 *   format, of an index in several segments (`export` gives one, a native store may have more), and where there is no
 *   `crypto.subtle`, as on insecure pages; `invalid_input` of what is no file, or cannot be read
 *
 * @example
 * import { unpackArchive } from 'heatseek/archive';
 * const { identity, vectors, documents } = await unpackArchive(await index.export());
 * identity.width; // 384
 * const [first] = (await documents.text()).trimEnd().split('\n').map((line) => JSON.parse(line));
 * first.chunks; // [{ start: 0, end: 214, row: 0, rows: 1 }, …]
 */
export async function unpackArchive(archive: Blob | ArrayBuffer | Uint8Array, options?: StopOptions): Promise<UnpackedArchive> {
  const given = checkedSignal('signal', checkedOptions('unpackArchive', options, ['signal']).signal);
  const { signal } = given ? { signal: given } : new AbortController();
  if (signal.aborted) throw abortedError(signal.reason);
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortedError(signal.reason));
    signal.addEventListener('abort', abort);
    unpack(archive, new Control(signal, () => {})).then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

async function unpack(archive: Blob | ArrayBuffer | Uint8Array, control: Control): Promise<UnpackedArchive> {
  const files = await Tensors.read('archive', blob('archive', archive));
  const manifest = files.take(MANIFEST, 'U8', [files.size(MANIFEST)]);
  const { identity, segments } = await readManifest(await contents('archive', manifest));
  const [segment, another] = segments;
  if (another) {
    const what = `the archive has ${segments.length} segments, not one`;
    throw new HeatseekError('unsupported', `${what}: open it with createIndex and export it anew`);
  }
  files.only([MANIFEST, segment?.vectors.name, segment?.documents?.name]);
  const { rows, vectors, scales, lines } = await partsOf(files, identity, segment, control);
  return {
    identity,
    vectors: npy(DESCR[identity.dtype], [rows, columnsOf(identity)], vectors),
    ...(scales && { scales: npy('<f4', [rows], scales) }),
    documents: new Blob(lines, { type: 'application/jsonl' }),
  };
}

/** What an element is called by NumPy and by safetensors. */
const DESCR = { f32: '<f4', f16: '<f2', i8: '|i1', bits: '|u1' } as const;
const DTYPE = { f32: 'F32', f16: 'F16', i8: 'I8', bits: 'U8' } as const;

const columnsOf = ({ dtype, width }: ArchiveIdentity): number => (dtype === 'bits' ? Math.ceil(width / 8) : width);

/** What is in a segment, which an empty index has not. */
async function partsOf(files: Tensors, identity: ArchiveIdentity, segment: Segment | undefined, control: Control) {
  const isScaled = identity.dtype === 'i8';
  if (!segment) return { rows: 0, vectors: new Blob(), scales: isScaled ? new Blob() : undefined, lines: [] };
  const { counts, vectors: { name }, documents } = segment;
  const tensors = await Tensors.read(name, (await checked(files, segment.vectors)).file);
  tensors.only(['chunks', 'removed', isScaled ? 'scales' : undefined, 'vectors']);
  // They name documents of segments that are no longer there.
  tensors.take('removed', 'U32', [counts.removed, 2]);
  const vectors = tensors.take('vectors', DTYPE[identity.dtype], [counts.rows, columnsOf(identity)]);
  const scales = isScaled ? tensors.take('scales', 'F32', [counts.rows]) : undefined;
  if (scales) await checkScales(name, await contents('archive', scales), control);
  const table = tensors.take('chunks', 'U32', [counts.chunks, CHUNK_FIELDS]);
  const chunks = await readChunks(name, await contents('archive', table), counts, control);
  if (!documents) return { rows: counts.rows, vectors, scales, lines: [] };
  const { bytes } = await checked(files, documents);
  return { rows: counts.rows, vectors, scales, lines: await withChunks(documents.name, bytes, counts.documents, chunks, control) };
}

/** A file that the manifest names, if it is the one that was written. */
async function checked(files: Tensors, { name, bytes: size, sha256: sum }: FileEntry) {
  const file = files.take(name, 'U8', [size]);
  const bytes = await contents('archive', file);
  const got = await sha256(bytes);
  if (got !== sum) throw damaged(name, `the SHA-256 ${sum}`, got);
  return { file, bytes };
}

async function checkScales(file: string, { buffer, byteLength }: Uint8Array<ArrayBuffer>, control: Control): Promise<void> {
  const view = new DataView(buffer);
  for (let at = 0; at < byteLength; at += 4) {
    if (control.due()) await control.look();
    const scale = view.getFloat32(at, true);
    if (!Number.isFinite(scale)) throw damaged(`${file}, scale ${at / 4}`, 'a finite number', scale);
  }
}
