// What a side costs a visitor who comes for the first time: each figure from a browser of its own.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { launch, open } from '../browser/chromium.mjs';
import { ROOT, fileOf } from './site.mjs';

/**
 * From the navigation to the first vector, of files on this machine: no network is in it. With what was asked of the
 * server, and the most memory that the browser's processes have held.
 */
export async function visit(site, side, first, more = []) {
  const browser = await launch();
  try {
    const { page } = await open(browser);
    site.served();
    await page.goto(site.address(side));
    await page.waitForFunction(() => window.loaded);
    const { coldMs } = await page.evaluate((inputs) => window.start(inputs), first);
    for (const inputs of more) await page.evaluate((i) => window.answer(i), inputs);
    return { coldMs, served: site.served(), peak: peak() };
  } finally {
    await browser.close();
  }
}

/**
 * The most memory, in MiB, of our children's renderers and of their GPU process: VmHWM of /proc, which WebAssembly's
 * memories and workers are part of, less what is mapped from files, which is the browser's own code. `null` where there
 * is no /proc. It is a high-water mark of resident pages: memory that was freed in between counts, if it was in use at
 * one time with the rest.
 */
function peak() {
  const most = { renderer: 0, gpu: 0 };
  let found;
  try {
    found = descendants(process.pid);
  } catch {
    return null;
  }
  for (const pid of found) {
    try {
      const kind = /--type=(renderer|gpu-process)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))?.[1];
      if (!kind) continue;
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      const mib = (field) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? NaN) / 1024;
      const name = kind === 'renderer' ? 'renderer' : 'gpu';
      most[name] = Math.max(most[name], mib('VmHWM') - mib('RssFile'));
    } catch {
      // A process that ended meanwhile.
    }
  }
  return most;
}

function descendants(root) {
  const children = new Map();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // A process that ended meanwhile.
    }
  }
  const all = [];
  for (const waiting = [root]; waiting.length;) {
    const next = children.get(waiting.pop()) ?? [];
    all.push(...next);
    waiting.push(...next);
  }
  return all;
}

/** Sizes by SHA-256, kept from run to run: a wasm of 27 MB takes minutes to compress. */
const KEPT = join(ROOT, 'target/bench/brotli.json');
const sizes = existsSync(KEPT) ? JSON.parse(readFileSync(KEPT, 'utf8')) : {};

function brotliBytes(path) {
  const bytes = readFileSync(path);
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (sizes[digest] === undefined) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length, [constants.BROTLI_PARAM_LGWIN]: 24 };
    sizes[digest] = brotliCompressSync(bytes, { params }).length;
    mkdirSync(dirname(KEPT), { recursive: true });
    writeFileSync(KEPT, JSON.stringify(sizes, null, 2));
  }
  return sizes[digest];
}

/** Bytes after brotli at its best of the code that a visit asked for, by file. */
export function codeBytes(served) {
  const paths = [...new Set(served)].filter((path) => /^\/(heatseek|transformers|onnxruntime)\//.test(path) && /\.(m?js|wasm)$/.test(path));
  const files = Object.fromEntries(paths.map((path) => [path, brotliBytes(fileOf(path))]));
  return { files, total: Object.values(files).reduce((sum, bytes) => sum + bytes, 0) };
}
