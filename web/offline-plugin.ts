/**
 * Makes the built page work without a network: a service worker with the list of what to keep, and beside it what pdf.js
 * fetches by name. Gives it a content security policy, too: what is not in the files of this site is not run.
 */

import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { createRequire } from 'node:module';
import type { Plugin } from 'vite';

/** What only some visitors need is kept when they have needed it. */
const LATER = [/heatseek_extras/, /pdf/];

const POLICY = [
  "default-src 'none'",
  // WebAssembly, and transformers.js where a visitor of “Measure” asks for it.
  "script-src 'self' 'wasm-unsafe-eval' https://cdn.jsdelivr.net/npm/",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' blob: data: https:",
  // Models come from wherever ?model= says; “blob:” and “data:” are what the page itself made.
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:* blob: data:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

export function offline(): Plugin {
  let publicDir = '';
  let target = '';
  return {
    name: 'heatseek-offline',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      publicDir = config.publicDir;
      target = resolve(config.root, config.build.outDir);
    },

    transformIndexHtml: () => [
      { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: POLICY }, injectTo: 'head-prepend' },
    ],

    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const version = createHash('sha256');
        const files: string[] = [];
        const keep = (name: string, content: string | Uint8Array): void => {
          if (LATER.some((pattern) => pattern.test(name))) return;
          version.update(name).update(content);
          files.push(name === 'index.html' ? './' : name);
        };
        for (const [name, file] of Object.entries(bundle)) keep(name, file.type === 'chunk' ? file.code : file.source);
        for (const path of readdirSync(publicDir, { recursive: true, withFileTypes: true })) {
          if (!path.isFile()) continue;
          const file = join(path.parentPath, path.name);
          keep(relative(publicDir, file).split(sep).join('/'), readFileSync(file));
        }
        const head = `const FILES = ${JSON.stringify(files.sort())};\nconst VERSION = '${version.digest('hex').slice(0, 16)}';\n`;
        const source = head + readFileSync(join(import.meta.dirname, 'service-worker.js'), 'utf8');
        this.emitFile({ type: 'asset', fileName: 'service-worker.js', source });
      },
    },

    closeBundle() {
      const pdf = dirname(createRequire(import.meta.url).resolve('pdfjs-dist/package.json'));
      cpSync(join(pdf, 'cmaps'), join(target, 'cmaps'), { recursive: true });
    },
  };
}
