import { abortedError } from './aborted.js';
import type { Client, Following } from './client.js';
import { choice, callback, count, flag, invalid, options as checked, signal as checkedSignal, text } from './coerce.js';
import { HeatseekError } from './errors.js';
import { Fleet } from './fleet.js';
import { host, workerHere } from './host.js';
import { lend, plainHeaders } from './lend.js';
import { Model } from './model.js';
import type { ModelSource } from './model-source.js';
import type { AllWasmSources, Calls, PostedSource, WasmSource } from './protocol.js';
import { modelSource } from './source.js';
import { spawn } from './spawn.js';
import { now, since } from './timing.js';
import type { Device, Dtype, LoadOptions, Tune, WasmInput } from './types.js';

const DEVICES: readonly Device[] = ['auto', 'gpu', 'cpu', 'reference'];
const TUNES: readonly Tune[] = ['never', 'idle', 'now'];
const INPUTS: readonly ('text' | 'image')[] = ['text', 'image'];
/** With the first pause of half a second: for about eight seconds. */
const RETRIES = 4;
/** Every spelling, and the engine's. */
const DTYPES = { auto: 'auto', f32: 'f32', f16: 'f16', int8: 'int8', fp32: 'f32', fp16: 'f16', q8: 'int8' } as const;

/**
 * Loads a model and makes it ready.
 *
 * @param model where its files are: a hub id, a path or URL of a folder, a folder or files of the user's; see
 *   {@link ModelSource}
 * @param options where to compute, what to keep, how to follow and stop it
 * @returns the model; call `dispose()` when done with it
 * @throws {@link HeatseekError}: `not_found` and `network` name the URL; `model_invalid` and `unsupported` the
 *   file and what is wrong in it, such as another SHA-256; `aborted` as soon as the signal says so, with nothing left
 *   running
 *
 * @example
 * const model = await load('sentence-transformers/all-MiniLM-L6-v2', { onProgress: console.log });
 * const mine = await load(await showDirectoryPicker());
 * const closed = await load('owner/private', { headers: { authorization: `Bearer ${token}` } });
 */
export async function load(model: ModelSource, options?: LoadOptions): Promise<Model> {
  const given = checked('load', options, [
    'device', 'threads', 'dtype', 'input', 'tune', 'revision', 'hub', 'headers', 'fetch', 'retries', 'cache', 'sha256',
    'worker', 'wasm', 'signal', 'onProgress',
  ]);
  const device = choice('device', given.device, DEVICES, 'auto');
  const dtype = DTYPES[choice('dtype', given.dtype, Object.keys(DTYPES) as Dtype[], 'f32')];
  const threads = count('threads', given.threads, 1, undefined);
  const input = given.input && choice('input', given.input, INPUTS, 'text');
  const tune = choice('tune', given.tune, TUNES, 'never');
  const cache = flag('cache', given.cache, true);
  const sha256 = checkSums(given.sha256);
  const onProgress = callback('onProgress', given.onProgress);
  const signal = checkedSignal('signal', given.signal);
  const retries = count('retries', given.retries, 0, RETRIES);
  const path = typeof model === 'string' ? (await host())?.addressOf(model) : undefined;
  const source = modelSource(path ?? model, { ...given, revision: text('revision', given.revision) });
  const requests = requesting(source, given);
  if (signal?.aborted) throw abortedError(signal.reason);

  const began = now();
  const wasm = await wasmSources(given.wasm);
  const client = await spawn(given.worker);
  try {
    const args = { source: requests.source, retries, wasm, device, dtype, threads, cache, sha256, input, tune };
    const { info, timeline, threads: running, warnings } = await requests.call(client, args, { signal, onProgress });
    // Where threads cannot share memory, whole engines share texts; never unasked, as each holds the model again.
    const engines = threads !== undefined && running === 1 && (await repeatable(given.worker)) ? threads : 1;
    const fleet = new Fleet(client, () => another(given.worker, (next) => requests.call(next, { ...args, device: 'cpu', threads: 1 })), engines);
    return new Model(fleet, info, since(began, timeline), warnings);
  } catch (error) {
    client.end(error as HeatseekError);
    throw error;
  }
}

/** Whether more than one worker can be started from what the caller gave. */
async function repeatable(worker: LoadOptions['worker']): Promise<boolean> {
  return (worker === undefined || worker instanceof URL) && (await workerHere()) !== undefined;
}

/** Another engine with the same model. */
async function another(worker: LoadOptions['worker'], loadIn: (client: Client) => Promise<unknown>): Promise<Client> {
  const client = await spawn(worker);
  try {
    await loadIn(client);
    return client;
  } catch (error) {
    client.end(error as HeatseekError);
    throw error;
  }
}

/** Who fetches the files, and with what headers: the engine, or this thread where functions of the caller's take part. */
function requesting(source: PostedSource, given: LoadOptions) {
  const fetch = callback('fetch', given.fetch);
  const { headers } = given;
  const ask = typeof headers === 'function' ? headers : undefined;
  const fixed = headers === undefined || ask ? {} : { headers: plainHeaders('headers', headers as HeadersInit) };
  return {
    source: { ...source, ...fixed },
    /** Has an engine load. */
    async call(client: Client, args: Omit<Calls['load']['args'], 'lender'>, following: Following = {}): Promise<Calls['load']['result']> {
      if (!fetch && !ask) return client.call('load', { ...args, lender: undefined }, following);
      const lent = lend(fetch ?? ((...request) => globalThis.fetch(...request)), ask);
      try {
        return await client.call('load', { ...args, lender: lent.port }, { ...following, transfer: [lent.port] });
      } finally {
        lent.close();
      }
    },
  };
}

/** What can be posted of what the caller gave. */
async function wasmSources(given: LoadOptions['wasm']): Promise<AllWasmSources> {
  const beside: AllWasmSources = {
    baseline: new URL('./wasm/heatseek_bg.wasm', import.meta.url).href,
    relaxed: new URL('./wasm/heatseek_relaxed_bg.wasm', import.meta.url).href,
    extras: new URL('./wasm/heatseek_extras_bg.wasm', import.meta.url).href,
  };
  if (given === undefined) return beside;
  if (typeof given !== 'object' || given === null || !('relaxed' in given)) {
    return { ...beside, baseline: await wasmSource('wasm', given), relaxed: undefined };
  }
  const { baseline, relaxed, extras } = checked('wasm', given, ['baseline', 'relaxed', 'extras']);
  return {
    baseline: await wasmSource('wasm.baseline', baseline),
    relaxed: await wasmSource('wasm.relaxed', relaxed),
    extras: extras === undefined ? beside.extras : await wasmSource('wasm.extras', extras),
  };
}

async function wasmSource(name: string, given: WasmInput): Promise<WasmSource> {
  if (given instanceof URL) return given.href;
  if (given instanceof WebAssembly.Module || given instanceof ArrayBuffer || ArrayBuffer.isView(given)) return given;
  if (typeof Response !== 'undefined' && given instanceof Response) {
    if (!given.ok) throw new HeatseekError('not_found', `${name} is a response with status ${given.status}: ${given.url}`);
    try {
      return await given.arrayBuffer();
    } catch (cause) {
      throw new HeatseekError('network', `${name} is a response whose body could not be read`, { cause });
    }
  }
  throw invalid(name, given, 'a URL, a Response, a WebAssembly.Module or its bytes');
}

function checkSums(given: LoadOptions['sha256'] = {}): Readonly<Record<string, string>> {
  if (typeof given !== 'object' || given === null) throw invalid('sha256', given, 'an object of sums by file');
  const sums = Object.entries(given).map(([file, sum]: [string, unknown]) => {
    if (typeof sum === 'string' && /^[0-9a-f]{64}$/i.test(sum)) return [file, sum.toLowerCase()];
    throw invalid(`sha256['${file}']`, sum, '64 hexadecimal digits');
  });
  return Object.fromEntries(sums) as Record<string, string>;
}
