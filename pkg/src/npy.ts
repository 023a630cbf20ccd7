/** NumPy's `.npy`, version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */

const MAGIC = '\x93NUMPY\x01\x00';
/** Of the header's length, behind the magic. */
const LENGTH_BYTES = 2;
/** NumPy wants the numbers to begin at a multiple of this. */
const ALIGN = 64;

/**
 * An array in C order, as `np.load` reads it.
 * @param descr NumPy's word for the dtype, such as `<f4`
 * @param data its bytes, which are not copied
 */
export function npy(descr: string, shape: readonly number[], data: Blob): Blob {
  // A tuple of one has a comma behind it, in Python.
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const before = MAGIC.length + LENGTH_BYTES;
  // Spaces, then a line end, behind which the numbers begin.
  const length = Math.ceil((before + header.length + 1) / ALIGN) * ALIGN - before;
  const text = `${MAGIC}${String.fromCharCode(length & 0xff, length >> 8)}${header.padEnd(length - 1)}\n`;
  const head = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new Blob([head, data], { type: 'application/octet-stream' });
}
