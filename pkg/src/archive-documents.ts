/** The documents of an archive, each with its chunks and their vectors. */
import type { Segment } from './archive-manifest.js';
import { describe } from './coerce.js';
import type { Control } from './control.js';
import { damaged, decoded, parsed, string } from './damaged.js';
import { isWellFormed } from './json.js';

/** Of the tensor `chunks`: document, first byte, end byte, first row, number of rows, each a u32. */
export const CHUNK_FIELDS = 5;

/** A chunk as it is written, in this order. */
interface Chunk {
  /** Bytes of the text in UTF-8. */
  readonly start: number;
  readonly end: number;
  readonly row: number;
  readonly rows: number;
}

const LINE_END = 0x0a;
/** What a document's line may have. */
const FIELDS = ['id', 'text', 'metadata'];

/** By the line of the document that they are of, from 0. */
export type ChunksByDocument = ReadonlyMap<number, readonly Chunk[]>;

/** The chunks in the tensor of a file; one of anything but the `documents` and `rows` that there are is refused. */
export async function readChunks(
  file: string, bytes: Uint8Array, { documents, rows: all }: Segment['counts'], control: Control,
): Promise<ChunksByDocument> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = new Map<number, Chunk[]>();
  for (let at = 0; at < bytes.byteLength; at += CHUNK_FIELDS * 4) {
    if (control.due()) await control.look();
    const field = (place: number): number => view.getUint32(at + place * 4, true);
    const [document, start, end, row, rows] = [field(0), field(1), field(2), field(3), field(4)];
    const where = `${file}, chunk ${at / (CHUNK_FIELDS * 4)}`;
    if (document >= documents) throw damaged(where, `one of ${documents} documents`, document);
    if (row + rows > all) throw damaged(where, `some of ${all} vectors`, `${rows} from ${row} on`);
    const of = chunks.get(document) ?? [];
    of.push({ start, end, row, rows });
    chunks.set(document, of);
  }
  return chunks;
}

/**
 * Lines of JSON, each a document, with the document's chunks in it. The rest of a line stays as it is: JavaScript would
 * round some numbers.
 * @param count how many there are
 */
export async function withChunks(
  file: string, lines: Uint8Array, count: number, chunks: ChunksByDocument, control: Control,
): Promise<string[]> {
  const written: string[] = [];
  const ids = new Set<string>();
  for (let start = 0; start < lines.byteLength;) {
    if (control.due()) await control.look();
    const where = `${file}, line ${written.length + 1}`;
    const end = lines.indexOf(LINE_END, start);
    if (end < 0) throw damaged(where, 'a line end', 'none');
    const line = decoded(where, lines.subarray(start, end));
    const { id, text } = documentOf(where, line);
    if (ids.has(id)) throw damaged(where, 'an id of its own', `${JSON.stringify(id)} again`);
    ids.add(id);
    const of = chunks.get(written.length) ?? [];
    if (of.length > 0) check(where, text, of);
    written.push(`${line.slice(0, line.lastIndexOf('}'))},"chunks":${JSON.stringify(of)}}\n`);
    start = end + 1;
  }
  if (written.length !== count) throw damaged(file, `${count} documents`, written.length);
  return written;
}

function documentOf(where: string, line: string): { readonly id: string; readonly text: string } {
  const document = parsed(where, line);
  const other = Object.keys(document).find((name) => !FIELDS.includes(name));
  if (other !== undefined) throw damaged(where, `${FIELDS.join(', ')} and nothing else`, describe(other));
  const [id, text] = [string(`${where}, id`, document['id']), string(`${where}, text`, document['text'])];
  if (!isWellFormed(id) || !isWellFormed(text)) throw damaged(where, 'whole characters', 'half of one');
  return { id, text };
}

/** That chunks are of whole characters of their text. */
function check(where: string, text: string, chunks: readonly Chunk[]): void {
  const bytes = new TextEncoder().encode(text);
  // A byte within a character begins with 10.
  const between = (at: number): boolean => at <= bytes.byteLength && ((bytes[at] ?? 0) & 0xc0) !== 0x80;
  for (const { start, end } of chunks) {
    if (start > end || !between(start) || !between(end)) {
      throw damaged(where, `a chunk of whole characters of the ${bytes.byteLength} bytes of text`, `${start} to ${end}`);
    }
  }
}
