/** From bytes to text, and never to mojibake: an encoding is said by the file or it is UTF-8. */

import { Refused } from './refused.ts';

/** Enough of a page to find what it says of its encoding: HTML wants it within the first 1024 bytes. */
const HEAD_BYTES = 1024;

/** Text that is UTF-8, or UTF-16 with a mark in front. */
export function decode(bytes: Uint8Array): string {
  return decodeAs(bytes, marked(bytes) ?? 'utf-8');
}

/** Text of a page, which may say what its encoding is. */
export function decodePage(bytes: Uint8Array): string {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, HEAD_BYTES));
  const said = /<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)/i.exec(head)?.[1];
  return decodeAs(bytes, marked(bytes) ?? said ?? 'utf-8');
}

function marked([a, b]: Uint8Array): string | undefined {
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  if (a === 0xfe && b === 0xff) return 'utf-16be';
  return undefined;
}

function decodeAs(bytes: Uint8Array, encoding: string): string {
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(encoding, { fatal: true });
  } catch {
    throw new Refused(`has an encoding, “${encoding}”, that this browser does not know`, 'Save it again as UTF-8.');
  }
  try {
    return decoder.decode(bytes);
  } catch {
    const name = decoder.encoding.toUpperCase();
    throw new Refused(`is not ${name} text`, 'Save it again with the encoding set to UTF-8. The other files are not affected.');
  }
}
