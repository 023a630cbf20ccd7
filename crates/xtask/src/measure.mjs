// Prints [raw, gzip, brotli] in bytes for each file named on the command line, as JSON.
import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const sizes = process.argv.slice(1).map((file) => {
  const bytes = readFileSync(file);
  const brotli = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 },
  });
  return [bytes.length, gzipSync(bytes, { level: 9 }).length, brotli.length];
});
console.log(JSON.stringify(sizes));
