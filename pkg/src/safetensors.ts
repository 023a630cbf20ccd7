/** Files of safetensors that an index consists of: 8 bytes of length (little-endian), a header in JSON, the data. */
import { contents } from './blobs.js';
import { damaged, decoded, parsed, record, string } from './damaged.js';

/** As the engine has it: the archive of an index in 10 000 parts has a header of 2 MB. */
const MAX_HEADER_BYTES = 4 << 20;
const LENGTH_BYTES = 8;

/** Bytes of an element, by its dtype in the format. */
const SIZES = { U8: 1, I8: 1, F16: 2, F32: 4, U32: 4 } as const;

/** A tensor of a file. */
interface Tensor {
  readonly dtype: string;
  readonly shape: readonly unknown[];
  /** Its bytes: a part of the file, and no copy. */
  readonly data: Blob;
}

/** The tensors of one file by name. */
export class Tensors {
  readonly #file: string;
  readonly #tensors: ReadonlyMap<string, Tensor>;

  private constructor(file: string, tensors: ReadonlyMap<string, Tensor>) {
    this.#file = file;
    this.#tensors = tensors;
  }

  /**
   * Reads the header of a file that is called `file`.
   * @throws `index_invalid` unless its tensors cover the data, each byte once
   */
  static async read(file: string, blob: Blob): Promise<Tensors> {
    const where = `${file}, safetensors header`;
    const prefix = await contents('archive', blob.slice(0, LENGTH_BYTES));
    if (prefix.byteLength < LENGTH_BYTES) throw damaged(where, `${LENGTH_BYTES} bytes`, prefix.byteLength);
    // What it claims is compared with what is there before anything is read.
    const claimed = new DataView(prefix.buffer).getBigUint64(0, true);
    if (claimed > Math.min(MAX_HEADER_BYTES, blob.size - LENGTH_BYTES)) {
      throw damaged(where, 'a length within the file, at most 4 MiB', claimed);
    }
    const start = LENGTH_BYTES + Number(claimed);
    const header = parsed(where, decoded(where, await contents('archive', blob.slice(LENGTH_BYTES, start))));
    const named = Object.entries(header).filter(([name]) => name !== '__metadata__');
    const entries = named.map(([name, value]) => entryOf(where, name, value));
    // What has no bytes comes before what begins at the same place.
    entries.sort((a, b) => a.from - b.from || a.to - b.to);
    const tensors = new Map<string, Tensor>();
    let end = 0;
    for (const { name, dtype, shape, from, to } of entries) {
      if (from !== end || to < from) throw damaged(`${where}, ${name}`, `bytes from ${end} on`, `${from} to ${to}`);
      end = to;
      tensors.set(name, { dtype, shape, data: blob.slice(start + from, start + to) });
    }
    if (end !== blob.size - start) throw damaged(where, `tensors of ${blob.size - start} bytes`, end);
    return new Tensors(file, tensors);
  }

  /**
   * The bytes of a tensor.
   * @throws `index_invalid` if it is not there, or of another dtype or shape
   */
  take(name: string, dtype: keyof typeof SIZES, shape: readonly number[]): Blob {
    const where = `${this.#file}, ${name}`;
    const expected = `${dtype} [${shape}]`;
    const tensor = this.#tensors.get(name);
    if (!tensor) throw damaged(where, expected, 'none');
    const { data } = tensor;
    const shaped = tensor.shape.length === shape.length && shape.every((extent, at) => extent === tensor.shape[at]);
    if (tensor.dtype !== dtype || !shaped || data.size !== shape.reduce((product, extent) => product * extent, SIZES[dtype])) {
      throw damaged(where, expected, `${tensor.dtype} of another shape, or of ${data.size} bytes`);
    }
    return data;
  }

  /** Bytes of the tensor of this name; 0 if there is none. */
  size(name: string): number {
    return this.#tensors.get(name)?.data.size ?? 0;
  }

  /** Fails if there is a tensor of any other name. */
  only(names: readonly (string | undefined)[]): void {
    const other = [...this.#tensors.keys()].find((name) => !names.includes(name));
    const wanted = names.filter((name) => name !== undefined).join(', ');
    if (other !== undefined) throw damaged(this.#file, `only ${wanted}`, JSON.stringify(other));
  }
}

/** What a header says of one tensor. */
function entryOf(header: string, name: string, value: unknown) {
  const where = `${header}, ${JSON.stringify(name)}`;
  const { dtype, shape, data_offsets: offsets } = record(where, value);
  if (!Array.isArray(shape)) throw damaged(where, 'a shape', 'none');
  const [from, to] = Array.isArray(offsets) ? (offsets as readonly unknown[]) : [];
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) throw damaged(where, 'data_offsets', 'none');
  return { name, dtype: string(where, dtype), shape: shape as readonly unknown[], from: from as number, to: to as number };
}
