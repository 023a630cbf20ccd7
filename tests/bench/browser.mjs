// npm run bench:browser [-- --model dinov2-small --device webgpu,wasm --cases NAME,… --rounds N --cold N --json FILE]
//
// Times Heatseek and transformers.js on one model in fp32 in one Chromium, interleaved: every round times each
// once, in alternating order, and the ratio is taken within the round. Before anything is timed, both must give
// the same vectors. transformers.js gets a plain export (see export_onnx.py) and one thread, as it has without
// cross-origin isolation. A call begins with texts or decoded pixels and ends with vectors in the page's memory:
// tokenizing, cutting and normalising are inside on both sides, decoding is not.
//
// The case `attention`, of models of pictures, times what looking costs us beside the plain call (see looks.mjs).
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launch, open } from '../browser/chromium.mjs';
import { serve } from '../browser/serve.mjs';
import { LOOKS } from './looks.mjs';
import { CASES as PICTURES } from './pictures.mjs';
import { CASES as TEXTS } from './texts.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'all-MiniLM-L6-v2' },
    peer: { type: 'string' }, // another graph of it for transformers.js, such as dinov2-small-fused
    cases: { type: 'string' },
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

const INPUTS = { 'all-MiniLM-L6-v2': 'text', 'dinov2-small': 'image' };
const input = INPUTS[options.model];
if (!input) {
  console.error(`no cases for the model ${options.model}: choose one of ${Object.keys(INPUTS).join(', ')}`);
  process.exit(1);
}
const peerName = options.peer ?? options.model;
const wanted = (name) => !options.cases || options.cases.split(',').includes(name);

const HERE = dirname(fileURLToPath(import.meta.url));
const peers = join(HERE, 'node_modules');
if (!existsSync(join(peers, '@huggingface/transformers'))) {
  // No install scripts: they download native libraries, and only the browser files are used.
  execFileSync('npm', ['ci', '--prefix', HERE, '--ignore-scripts', '--no-audit', '--no-fund'], { stdio: 'inherit' });
}
const models = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const peerModels = process.env.HEATSEEK_BENCH_MODELS ?? join(ROOT, 'target/bench/models');
for (const [what, path, how] of [
  ['the model', join(models, options.model, 'model.safetensors'), 'npm start, or heatseek models fetch'],
  ['its ONNX export', join(peerModels, peerName, 'onnx/model.onnx'), 'see tests/bench/export_onnx.py'],
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
const ms = (value) => `${value.toFixed(value < 100 ? 1 : 0)} ms`.padStart(10);
const rows = [];
let driver;
/** Medians of two sides, and the ratio of the first to the second round by round. */
const summary = (name, device, [[top, tops], [bottom, bottoms]]) => {
  const ratios = tops.map((value, i) => value / bottoms[i]);
  const row = {
    case: name, model: options.model, device, driver, dtype: 'fp32',
    [`${top}_ms`]: median(tops), [`${bottom}_ms`]: median(bottoms), ratio: median(ratios),
    ratio_min: Math.min(...ratios), ratio_max: Math.max(...ratios), n: ratios.length,
  };
  rows.push(row);
  const spread = `${row.ratio_min.toFixed(2)}-${row.ratio_max.toFixed(2)}`;
  const sides = [[top, tops], [bottom, bottoms]].map(([side, values]) => `${side} ${ms(median(values))}`).join('  ');
  console.log(`${device.padEnd(7)} ${name.padEnd(20)} ${sides}  ${row.ratio.toFixed(2)}x [${spread}] n=${row.n}`);
};
const against = (times) => [['peer', times.peer], ['ours', times.ours]];

async function visit(device) {
  const browser = await launch();
  const { page } = await open(browser);
  page.on('pageerror', (error) => console.error(`page: ${error}`));
  const query = new URLSearchParams({ device, input, model: options.model, peer: peerName });
  await page.goto(`${server.origin}/?${query}`);
  await page.waitForFunction(() => window.loaded);
  return { browser, page };
}

async function coldStarts(device) {
  const times = { ours: [], peer: [] };
  const first = Object.values(cases(device))[0].slice(0, 1);
  for (let round = 0; round < Number(options.cold); round++) {
    for (const name of round % 2 ? ['peer', 'ours'] : ['ours', 'peer']) {
      const { browser, page } = await visit(device);
      const { coldMs, info } = await page.evaluate(([n, f]) => window.start(n, f), [name, first]);
      if (name === 'ours') driver = info.name;
      times[name].push(coldMs);
      await browser.close();
    }
  }
  if (times.ours.length) summary('cold start', device, against(times));
}

function cases(device) {
  const all = input === 'text' ? TEXTS : PICTURES;
  return device === 'webgpu' && !options.full ? all.software : all.full;
}

async function warmCases(device) {
  const chosen = Object.entries(cases(device)).filter(([name]) => wanted(name));
  if (!chosen.length) return;
  const { browser, page } = await visit(device);
  const ours = await page.evaluate(() => window.start('ours'));
  const peer = await page.evaluate(() => window.start('peer'));
  driver = ours.info.name;
  console.log(`${device}: Heatseek on ${driver} (${ours.info.kernels}); transformers.js ${peer.info.version}, ${peerName}`);
  for (const [name, inputs] of chosen) {
    const agreement = await page.evaluate((i) => window.agreement(i), inputs);
    if (!(agreement >= MIN_COSINE)) throw new Error(`${device} ${name}: cosine ${agreement} to transformers.js; nothing was timed`);
    const times = { ours: [], peer: [] };
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const who of round % 2 ? ['peer', 'ours'] : ['ours', 'peer']) {
        times[who].push(await page.evaluate(([n, i]) => window.time(n, i), [who, inputs]));
      }
      if (round >= 2 && Math.max(...times.peer, ...times.ours) > SLOW_MS) break;
    }
    summary(name, device, against(times));
  }
  await browser.close();
}

/** What looking costs: a page with nothing but us in it, and every look once a round, in turning order. */
async function attention(device) {
  if (input !== 'image' || !wanted('attention')) return;
  const { browser, page } = await visit(device);
  driver = (await page.evaluate(() => window.start('ours'))).info.name;
  const inputs = PICTURES.software['1x224'];
  await page.evaluate((i) => window.checkLooks(i), inputs);
  const names = ['forward', ...Object.keys(LOOKS)];
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < Number(options.rounds); round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length];
      times[name].push(await page.evaluate(([n, i]) => window.timeLook(n, i), [name, inputs]));
    }
  }
  for (const name of names.slice(1)) summary(name, device, [['ours', times[name]], ['forward', times.forward]]);
  await browser.close();
}

for (const device of options.device.split(',')) {
  await coldStarts(device);
  await warmCases(device);
  await attention(device);
}
await server.close();
if (options.json) {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
  const environment = { date: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, commit };
  await writeFile(options.json, JSON.stringify({ environment, rows }, null, 2));
}
