/** The manifest of an archive: what the index in it consists of. docs/index-format.md describes it. */
import { describe } from './coerce.js';
import { damaged, decoded, parsed, record, string, whole } from './damaged.js';
import { HeatseekError } from './errors.js';

export const MANIFEST = 'manifest-a.json';

const FORMAT = 'heatseek-index';
/** The newest that is read here. */
const VERSION = 1;
/** As the engine has it: one of 100 000 segments is smaller. */
const MAX_BYTES = 64 << 20;
/** As the engine has it: wider than any model's vectors. */
const MAX_WIDTH = 1 << 20;
const MAX_COUNT = 2 ** 32 - 1;

const DTYPES: readonly ArchiveIdentity['dtype'][] = ['f32', 'f16', 'i8', 'bits'];
const WHOLE = /^\{"sha256":"([0-9a-f]{64})","manifest":(.*)\}\n$/s;
const SUM = /^[0-9a-f]{64}$/;

/** What the vectors of an archive were made with, in the words of its manifest. */
export interface ArchiveIdentity {
  /** The model's kind and size, for people. */
  readonly model: string;
  /** What tells the model from any other: a sum over its files. */
  readonly fingerprint: string;
  /** How tokens became vectors; `auto` as the model's own files say. */
  readonly pooling: string;
  /** How they are compared: `cosine`, `dot` or `euclidean`. */
  readonly metric: string;
  /** What an element is stored as; `i8` and a scale for each vector where `storage` is `int8` or `binary`. */
  readonly dtype: 'f32' | 'f16' | 'i8' | 'bits';
  /** Elements of a vector. */
  readonly width: number;
  /** Other options of `createIndex` that it was made with, by name, such as `storage`. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A file by its manifest. */
export interface FileEntry {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What one commit added. */
export interface Segment {
  readonly counts: { readonly documents: number; readonly chunks: number; readonly rows: number; readonly removed: number };
  readonly vectors: FileEntry;
  /** Not there if there are no documents. */
  readonly documents: FileEntry | undefined;
}

export interface Manifest {
  readonly identity: ArchiveIdentity;
  readonly segments: readonly Segment[];
}

/** The SHA-256 of bytes, in lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle) {
    const why = 'an archive is checked by crypto.subtle, which browsers have on secure pages only: https and localhost';
    throw new HeatseekError('unsupported', why);
  }
  const sum = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Reads a manifest.
 * @throws `index_invalid` if it is not as it was written, or says what none can say; `unsupported` of a newer version
 */
export async function readManifest(bytes: Uint8Array<ArrayBuffer>): Promise<Manifest> {
  if (bytes.byteLength > MAX_BYTES) throw damaged(MANIFEST, `at most ${MAX_BYTES} bytes`, bytes.byteLength);
  const [, sum, body] = WHOLE.exec(decoded(MANIFEST, bytes)) ?? [];
  if (sum === undefined || body === undefined || (await sha256(new TextEncoder().encode(body))) !== sum) {
    throw damaged(MANIFEST, 'a manifest with the sum that it was written with', 'another');
  }
  const { format, version, library, identity, segments } = parsed(MANIFEST, body);
  if (format !== FORMAT) throw damaged(`${MANIFEST}, format`, FORMAT, describe(format));
  if (whole(`${MANIFEST}, version`, version, VERSION, MAX_COUNT) > VERSION) {
    const what = `${MANIFEST} has format version ${version}, written by heatseek ${describe(library)}`;
    throw new HeatseekError('unsupported', `${what}; this one reads up to version ${VERSION}: use that heatseek or a newer one`);
  }
  if (!Array.isArray(segments)) throw damaged(`${MANIFEST}, segments`, 'an array', describe(segments));
  return { identity: identityOf(record(`${MANIFEST}, identity`, identity)), segments: segments.map(segmentOf) };
}

function identityOf(given: Readonly<Record<string, unknown>>): ArchiveIdentity {
  const where = `${MANIFEST}, identity`;
  const text = (name: string): string => string(`${where}.${name}`, given[name]);
  const dtype = DTYPES.find((known) => known === given['dtype']);
  if (!dtype) throw damaged(`${where}.dtype`, `one of ${DTYPES.join(', ')}`, describe(given['dtype']));
  const settings = Object.entries(record(`${where}.settings`, given['settings']));
  return {
    model: text('model'), fingerprint: text('fingerprint'), pooling: text('pooling'), metric: text('metric'), dtype,
    width: whole(`${where}.width`, given['width'], 1, MAX_WIDTH),
    settings: Object.fromEntries(settings.map(([name, value]) => [name, string(`${where}.settings, ${JSON.stringify(name)}`, value)])),
  };
}

function segmentOf(given: unknown, at: number): Segment {
  const where = `${MANIFEST}, segments[${at}]`;
  const { number, counts, vectors, documents } = record(where, given);
  const numbers = record(`${where}.counts`, counts);
  const count = (name: string): number => whole(`${where}.counts.${name}`, numbers[name], 0, MAX_COUNT);
  const digits = String(whole(`${where}.number`, number, 1, MAX_COUNT)).padStart(8, '0');
  const all = { documents: count('documents'), chunks: count('chunks'), rows: count('rows'), removed: count('removed') };
  if ((documents !== undefined) !== (all.documents > 0)) {
    throw damaged(`${where}.documents`, 'a file exactly if there are any', describe(documents));
  }
  return {
    counts: all,
    vectors: fileOf(`${where}.vectors`, vectors, `vectors-${digits}.safetensors`),
    documents: documents === undefined ? undefined : fileOf(`${where}.documents`, documents, `documents-${digits}.jsonl`),
  };
}

function fileOf(where: string, given: unknown, expected: string): FileEntry {
  const { name, bytes, sha256: sum } = record(where, given);
  if (name !== expected) throw damaged(`${where}.name`, expected, describe(name));
  if (!SUM.test(string(`${where}.sha256`, sum))) throw damaged(`${where}.sha256`, '64 hexadecimal digits', describe(sum));
  return { name: expected, bytes: whole(`${where}.bytes`, bytes, 0, Number.MAX_SAFE_INTEGER), sha256: sum as string };
}
