/**
 * Serves the repository's git-ignored `models/` folder at `models/`, and copies the files a model
 * needs into the built site, so that the page finds its weights beside itself in both cases.
 */

import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Plugin } from 'vite';

/** The files of a sentence-transformers folder that the engine may read. */
const FILES = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  '1_Pooling/config.json',
  'model.safetensors',
];

/** Without these no model can be loaded. */
const NEEDED = ['config.json', 'tokenizer.json', 'model.safetensors'];

const CONTENT_TYPES: Record<string, string> = {
  json: 'application/json',
  txt: 'text/plain; charset=utf-8',
};

/**
 * @param folder where models live, relative to `web/`
 * @param names the models to ship with the built site
 */
export function models(folder: string, names: readonly string[]): Plugin {
  let source = '';
  let target = '';
  return {
    name: 'heatseek-models',
    configResolved(config) {
      source = resolve(config.root, folder);
      target = resolve(config.root, config.build.outDir, 'models');
    },

    configureServer(server) {
      server.middlewares.use('/models', async (request, response) => {
        const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
        const file = resolve(source, `.${path}`);
        const info = file.startsWith(source) ? await stat(file).catch(() => undefined) : undefined;
        // Vite would answer an unknown path with index.html; a model loader needs an honest 404.
        if (!info?.isFile()) {
          response.writeHead(404).end();
          return;
        }
        const extension = path.slice(path.lastIndexOf('.') + 1);
        response.writeHead(200, {
          'Content-Type': CONTENT_TYPES[extension] ?? 'application/octet-stream',
          'Content-Length': info.size,
        });
        if (request.method === 'HEAD') response.end();
        else createReadStream(file).pipe(response);
      });
    },

    async closeBundle() {
      for (const name of names) {
        for (const file of FILES) {
          const from = join(source, name, file);
          const to = join(target, name, file);
          if (!(await stat(from).catch(() => undefined))) {
            if (NEEDED.includes(file)) {
              this.warn(`models/${name}/${file} is missing: get it with "heatseek models fetch"`);
            }
            continue;
          }
          await mkdir(dirname(to), { recursive: true });
          await rm(to, { force: true });
          // A hard link costs nothing; it fails across file systems, where a copy does not.
          await link(from, to).catch(() => copyFile(from, to));
        }
      }
    },
  };
}
