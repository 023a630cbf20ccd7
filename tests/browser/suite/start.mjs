// The conformance suites in this thread: a page's, or a worker's. Served at /suite/.
import { useMemory } from '/pkg/atomics.js';
import { startThreads } from '/pkg/threads.js';
import { choose, compile } from '/pkg/variant.js';
import init, * as suite from '/pkg/suite/heatseek_conformance.js';

const at = (name) => new URL(`/pkg/suite/${name}`, location.origin).href;
const WASM = { baseline: at('heatseek_conformance_bg.wasm'), relaxed: at('heatseek_conformance_relaxed_bg.wasm') };

async function bytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(url + ': ' + response.status);
  return new Uint8Array(await response.arrayBuffer());
}

/** Starts the suites in one of the two builds, with so many threads. */
export async function start(variant, threads) {
  const sources = variant === 'relaxed' ? WASM : { baseline: WASM.baseline, relaxed: undefined };
  const chosen = choose(sources);
  if (chosen.variant !== variant) throw new Error(`this browser runs ${chosen.variant}`);
  const module = await compile(chosen.source, new AbortController().signal);
  await init({ module_or_path: module, memory: chosen.memory });
  useMemory(chosen.memory);
  if (threads > 1) {
    const started = 1 + (await startThreads({ module, memory: chosen.memory }, threads - 1));
    if (started !== threads) throw new Error(`${started} threads of ${threads} started`);
    suite.set_kernel_threads(threads);
  }
}

/** Calls an export of the suites. */
export const run = (name, ...args) => suite[name](...args);

/** A golden of texts against the model of these files. */
export async function golden(backend, base, files, texts, tensors) {
  suite.clear_files();
  for (const file of files) suite.add_file(file, await bytes(base + file));
  return suite.golden(backend, await bytes(texts), await bytes(tensors));
}

/** A suite of this name. files: their paths as the suite knows them, and where they are. */
export async function suiteOn(name, backend, files, tensors) {
  suite.clear_files();
  for (const [path, url] of files) suite.add_file(path, await bytes(url));
  return suite[name](backend, await bytes(tensors));
}
