// npm run bench:browser [-- --device webgpu,wasm --rounds N --cold N --json FILE --full]
//
// Times Heatseek and transformers.js on all-MiniLM-L6-v2 fp32 in one Chromium, interleaved: every round times
// each once, in alternating order, and the ratio is taken within the round. Before anything is timed, both must
// give the same vectors. transformers.js gets a plain export (see export_onnx.py) and one thread, as it has
// without cross-origin isolation.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launch, open } from '../browser/chromium.mjs';
import { serve } from '../browser/serve.mjs';
import { CASES } from './texts.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'webgpu,wasm' },
    rounds: { type: 'string', default: '7' },
    cold: { type: 'string', default: '3' },
    full: { type: 'boolean', default: false }, // the larger cases on WebGPU, for machines with a GPU
    json: { type: 'string' },
  },
});
/** Below this cosine to each other, one of the two is wrong and no time counts. */
const MIN_COSINE = 0.9999;
/** A case whose slower side takes this long is timed for three rounds only. */
const SLOW_MS = 15_000;

const HERE = dirname(fileURLToPath(import.meta.url));
const peers = join(HERE, 'node_modules');
if (!existsSync(join(peers, '@huggingface/transformers'))) {
  // No install scripts: they download native libraries, and only the browser files are used.
  execFileSync('npm', ['ci', '--prefix', HERE, '--ignore-scripts', '--no-audit', '--no-fund'], { stdio: 'inherit' });
}
const models = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const peerModels = process.env.HEATSEEK_BENCH_MODELS ?? join(ROOT, 'target/bench/models');
for (const [what, path, how] of [
  ['the model', join(models, 'all-MiniLM-L6-v2/model.safetensors'), 'npm start, or heatseek models fetch'],
  ['its ONNX export', join(peerModels, 'all-MiniLM-L6-v2/onnx/model.onnx'), 'see tests/bench/export_onnx.py'],
  ['the npm package', join(ROOT, 'pkg/dist/index.js'), 'npm run build'],
]) {
  if (!existsSync(path)) {
    console.error(`${what} is missing at ${path}: ${how}`);
    process.exit(1);
  }
}

const PAGE = '<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>bench</title><script type=module src=/page.mjs></script>';
const server = await serve(
  {
    '/heatseek/': join(ROOT, 'pkg/dist'), '/models/': models, '/peer-models/': peerModels,
    '/transformers/': join(peers, '@huggingface/transformers/dist'), '/onnxruntime/': join(peers, 'onnxruntime-web/dist'),
    '/': HERE,
  },
  (request, response) => {
    if (!request.url.startsWith('/?')) return false;
    response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    return true;
  },
);

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const rows = [];
const say = (row) => {
  rows.push(row);
  const [ours, peer] = [row.ours_ms, row.peer_ms].map((ms) => `${ms.toFixed(ms < 100 ? 1 : 0)} ms`);
  const spread = `${row.ratio_min.toFixed(2)}-${row.ratio_max.toFixed(2)}`;
  console.log(`${row.device.padEnd(7)} ${row.case.padEnd(16)} ours ${ours.padStart(9)}  theirs ${peer.padStart(10)}  ${row.ratio.toFixed(2)}x [${spread}] n=${row.n}`);
};
/** Medians, and the ratio theirs / ours round by round. */
const summary = (name, device, ours, peer) => {
  const ratios = ours.map((ms, i) => peer[i] / ms);
  say({
    case: name, device, dtype: 'fp32', ours_ms: median(ours), peer_ms: median(peer), ratio: median(ratios),
    ratio_min: Math.min(...ratios), ratio_max: Math.max(...ratios), n: ratios.length,
  });
};

async function visit(device) {
  const browser = await launch();
  const { page } = await open(browser);
  page.on('pageerror', (error) => console.error(`page: ${error}`));
  await page.goto(`${server.origin}/?device=${device}`);
  await page.waitForFunction(() => window.loaded);
  return { browser, page };
}

async function coldStarts(device) {
  const times = { ours: [], peer: [] };
  for (let round = 0; round < Number(options.cold); round++) {
    for (const name of round % 2 ? ['peer', 'ours'] : ['ours', 'peer']) {
      const { browser, page } = await visit(device);
      const { coldMs } = await page.evaluate(([n, t]) => window.start(n, t), [name, CASES.software['1x12'][0]]);
      times[name].push(coldMs);
      await browser.close();
    }
  }
  if (times.ours.length) summary('cold start', device, times.ours, times.peer);
}

async function warmCases(device) {
  const { browser, page } = await visit(device);
  const ours = await page.evaluate(() => window.start('ours'));
  const peer = await page.evaluate(() => window.start('peer'));
  console.log(`${device}: Heatseek on ${ours.info.name} (${ours.info.kernels}); transformers.js ${peer.info.version}`);
  const cases = device === 'webgpu' && !options.full ? CASES.software : CASES.full;
  for (const [name, texts] of Object.entries(cases)) {
    const agreement = await page.evaluate((t) => window.agreement(t), texts);
    if (!(agreement >= MIN_COSINE)) throw new Error(`${device} ${name}: cosine ${agreement} to transformers.js; nothing was timed`);
    const times = { ours: [], peer: [] };
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const who of round % 2 ? ['peer', 'ours'] : ['ours', 'peer']) {
        times[who].push(await page.evaluate(([n, t]) => window.time(n, t), [who, texts]));
      }
      if (round >= 2 && Math.max(...times.peer, ...times.ours) > SLOW_MS) break;
    }
    summary(name, device, times.ours, times.peer);
  }
  await browser.close();
}

for (const device of options.device.split(',')) {
  await coldStarts(device);
  await warmCases(device);
}
await server.close();
if (options.json) {
  const environment = { date: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
  await writeFile(options.json, JSON.stringify({ environment, rows }, null, 2));
}
