/** Files that callers give. */
import { invalid } from './coerce.js';
import { HeatseekError } from './errors.js';

/** A file, or bytes, as a Blob: one is not copied. */
export function blob(what: string, value: Blob | ArrayBuffer | Uint8Array): Blob {
  if (value instanceof Blob) return value;
  if (value instanceof ArrayBuffer || value instanceof Uint8Array) return new Blob([value as BlobPart]);
  throw invalid(what, value, 'a Blob, an ArrayBuffer or a Uint8Array');
}

/** All that is in a file, or in a part of one. */
export async function contents(what: string, file: Blob): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (cause) {
    throw new HeatseekError('invalid_input', `${what} is a file that cannot be read; it may have changed since it was chosen`, { cause });
  }
}
