// Modules of the page as they are, for tests in Node.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** What a file of `src/` exports. The reader of PDF files needs a browser. */
export async function bundled(path) {
  const source = fileURLToPath(new URL(`../src/${path}`, import.meta.url));
  const { outputFiles: [script] } = await build({ entryPoints: [source], bundle: true, format: 'esm', write: false, external: ['./pdf.ts'] });
  return import(`data:text/javascript,${encodeURIComponent(script.text)}`);
}
