/**
 * Serves the repository's git-ignored `models/` folder at `models/`, and copies the files a model
 * needs into the built site, so that the page finds its weights beside itself in both cases. Sample pictures alike.
 */

import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Plugin } from 'vite';

/** The files of a model of texts or pictures that the engine may read. */
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
  'preprocessor_config.json',
  'model.safetensors',
];

/** Without these no model can be loaded. */
const NEEDED = ['config.json', 'model.safetensors'];

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
          await place(from, to);
        }
      }
    },
  };
}

/**
 * Puts pictures of `folder` at `sample/pictures/`, as far as they are there, with `present.json`, the list of them.
 *
 * @param folder where they live, relative to `web/`
 */
export function pictures(folder: string, names: readonly string[]): Plugin {
  const route = 'sample/pictures';
  let source = '';
  let target = '';
  const present = async (): Promise<string[]> => {
    const found = await Promise.all(names.map((name) => stat(join(source, name)).catch(() => undefined)));
    return names.filter((_, at) => found[at]?.isFile());
  };
  return {
    name: 'heatseek-pictures',
    configResolved(config) {
      source = resolve(config.root, folder);
      target = resolve(config.root, config.build.outDir, route);
    },

    configureServer(server) {
      server.middlewares.use(`/${route}`, async (request, response) => {
        const name = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname).slice(1);
        const there = await present();
        if (name === 'present.json') response.setHeader('Content-Type', 'application/json').end(JSON.stringify(there));
        else if (there.includes(name)) createReadStream(join(source, name)).pipe(response);
        else response.writeHead(404).end();
      });
    },

    async closeBundle() {
      const there = await present();
      for (const name of there) await place(join(source, name), join(target, name));
      await mkdir(target, { recursive: true });
      await writeFile(join(target, 'present.json'), JSON.stringify(there));
    },
  };
}

async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await rm(to, { force: true });
  // A hard link costs nothing; it fails across file systems, where a copy does not.
  await link(from, to).catch(() => copyFile(from, to));
}
