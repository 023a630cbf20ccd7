// What browser.mjs needs to be there, and the pages it serves: each twice, on an origin that is isolated (COOP and COEP:
// what threads need) and on one that is not, as most people's are.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from '../browser/serve.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '../..');
const PEERS = join(HERE, 'node_modules');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const PEER_MODELS = process.env.HEATSEEK_BENCH_MODELS ?? join(ROOT, 'target/bench/models');

/** What each model reads. */
export const INPUTS = { 'all-MiniLM-L6-v2': 'text', 'dinov2-small': 'image' };

const PAGE = '<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>bench</title><script type=module src=/page.mjs></script>';
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
};
const MOUNTS = {
  '/heatseek/': join(ROOT, 'pkg/dist'), '/models/': MODELS, '/peer-models/': PEER_MODELS,
  '/transformers/': join(PEERS, '@huggingface/transformers/dist'), '/onnxruntime/': join(PEERS, 'onnxruntime-web/dist'),
  '/': HERE,
};

/** The graphs of a model for transformers.js that are there, the plain one first. */
export const graphs = (model) => [model, `${model}-fused`].filter((name) => existsSync(join(PEER_MODELS, name, 'onnx/model.onnx')));

/** The file that a path of the pages comes from. */
export function fileOf(path) {
  const prefix = Object.keys(MOUNTS).filter((p) => path.startsWith(p)).sort((a, b) => b.length - a.length)[0];
  return join(MOUNTS[prefix], path.slice(prefix.length));
}

/** Installs the peer where it is missing; what is missing otherwise is said, with how to get it. */
export function checkSite(models) {
  if (!existsSync(join(PEERS, '@huggingface/transformers'))) {
    // No install scripts: they download native libraries, and only the browser files are used.
    execFileSync('npm', ['ci', '--prefix', HERE, '--ignore-scripts', '--no-audit', '--no-fund'], { stdio: 'inherit' });
  }
  const needed = [['the npm package', join(ROOT, 'pkg/dist/index.js'), 'npm run build']];
  for (const model of models) {
    if (!INPUTS[model]) throw new Error(`no cases for the model ${model}: choose of ${Object.keys(INPUTS).join(', ')}`);
    needed.push([model, join(MODELS, model, 'model.safetensors'), `heatseek models fetch ${model}`]);
    for (const file of ['model.onnx', 'model_quantized.onnx']) {
      needed.push([`an ONNX export of ${model}`, join(PEER_MODELS, model, 'onnx', file), 'see tests/bench/export_onnx.py']);
    }
  }
  const missing = needed.filter(([, path]) => !existsSync(path));
  if (missing.length) throw new Error(missing.map(([what, path, how]) => `${what} is missing at ${path}: ${how}`).join('\n'));
}

/** Serves the pages. `served()` gives what was asked for since it was last called. */
export async function openSite() {
  let paths = [];
  const intercept = (request, response) => {
    paths.push(new URL(request.url, 'http://localhost').pathname);
    if (!request.url.startsWith('/?')) return false;
    response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    return true;
  };
  const [plain, isolated] = [await serve(MOUNTS, intercept), await serve(MOUNTS, intercept, ISOLATED)];
  const served = () => {
    const all = paths;
    paths = [];
    return all;
  };
  return {
    /** The address of a side's page, which `threads` decides the origin of. */
    address: (side) => `${(side.threads > 1 ? isolated : plain).origin}/?${new URLSearchParams(side)}`,
    served,
    close: () => Promise.all([plain.close(), isolated.close()]),
  };
}
