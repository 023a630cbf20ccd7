// What PyTorch computes for a text: the `pooled` rows of tests/golden.
import { readFile } from 'node:fs/promises';

const folder = new URL('../golden/', import.meta.url);

/** The text and vector of the case called `name`. */
export async function golden(name) {
  const texts = JSON.parse(await readFile(new URL('texts.json', folder), 'utf8'));
  const row = texts.findIndex((text) => text.name === name);
  if (row < 0) throw new Error(`tests/golden/texts.json has no case "${name}"`);

  const file = await readFile(new URL('minilm.safetensors', folder));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString());
  const { shape, data_offsets: [begin] } = header.pooled;
  const start = 8 + headerBytes + begin + row * shape[1] * 4;
  const bytes = file.buffer.slice(file.byteOffset + start, file.byteOffset + start + shape[1] * 4);
  return { text: texts[row].text, vector: new Float32Array(bytes) };
}

/** The cosine of the angle between two vectors. */
export function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb);
}
