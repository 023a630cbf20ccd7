/** Starting WebAssembly, and what to do when it breaks. One instance per thread. */
import { abortedError } from './aborted.js';
import { useMemory } from './atomics.js';
import { HeatseekError } from './errors.js';
import type { WasmSource, WasmSources } from './protocol.js';
import { defaultThreads, obstacle, startThreads } from './threads.js';
import { choose, compile } from './variant.js';
import init, { install, install_extras, set_kernel_threads } from './wasm/heatseek.js';
import initExtras, * as extras from './wasm/heatseek_extras.js';

/** The engine's code, running. */
interface Running {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

let starting: Promise<Running> | undefined;
let startingExtras: Promise<void> | undefined;
let broken: HeatseekError | undefined;
/** Threads that were started, beside this one. */
let helpers = 0;
/** Threads that the CPU kernels compute on. */
let inUse = 1;
const running = new Set<(error: HeatseekError) => void>();

/** Starts the engine's code; the second time it is there already. A failed start may be tried again. */
export async function start(sources: WasmSources, signal: AbortSignal): Promise<void> {
  if (broken) throw broken;
  starting ??= instantiate(sources, signal).catch((error: unknown) => {
    starting = undefined;
    throw error;
  });
  await starting;
}

/** Starts what only some models need and hands it to the engine, which runs; the second time it is there already. */
export async function startExtras(source: WasmSource, signal: AbortSignal): Promise<void> {
  startingExtras ??= instantiateExtras(source, signal).catch((error: unknown) => {
    startingExtras = undefined;
    throw error;
  });
  await startingExtras;
}

/**
 * Has the CPU kernels compute on `wanted` threads, or on as many as suit the machine.
 * @returns why there are fewer than were wanted, where there are
 */
export async function useThreads(wanted: number | undefined): Promise<string | undefined> {
  const engine = await starting;
  if (!engine) return undefined;
  const why = await obstacle(engine.memory);
  const most = why === undefined ? (wanted ?? defaultThreads()) : 1;
  if (most - 1 > helpers) helpers += await startThreads(engine, most - 1 - helpers);
  const threads = Math.min(most, 1 + helpers);
  set_kernel_threads(threads);
  inUse = threads;
  if (wanted === undefined || threads >= wanted) return undefined;
  return `${threads === 1 ? 'one thread' : `${threads} threads`}, not ${wanted}: ${why ?? 'the browser did not start the others'}`;
}

/** How many threads the CPU kernels compute on. */
export function threadsInUse(): number {
  return inUse;
}

/**
 * Runs a call of the engine. A panic leaves WebAssembly in an unknown state and its promises without an answer, so
 * it rejects every call under way, and all later ones.
 */
export function guard<T>(call: () => Promise<T>): Promise<T> {
  if (broken) return Promise.reject(broken);
  if (running.size === 0) listen(true);
  return new Promise<T>((resolve, reject) => {
    running.add(reject);
    call().then(resolve, reject).finally(() => {
      running.delete(reject);
      if (running.size === 0) listen(false);
    });
  });
}

async function instantiate(sources: WasmSources, signal: AbortSignal): Promise<Running> {
  const { source, memory } = choose(sources);
  const module = await compiled(source, signal, (module_or_path) => init({ module_or_path, memory }));
  useMemory(memory);
  install(onPanic);
  return { module, memory };
}

async function instantiateExtras(source: WasmSource, signal: AbortSignal): Promise<void> {
  await compiled(source, signal, (module_or_path) => initExtras({ module_or_path }));
  extras.install(onPanic);
  install_extras(extras);
}

/** The module of `source`, once `begin` has started it. */
async function compiled(
  source: WasmSource,
  signal: AbortSignal,
  begin: (module: WebAssembly.Module) => Promise<unknown>,
): Promise<WebAssembly.Module> {
  try {
    const module = await compile(source, signal);
    await begin(module);
    return module;
  } catch (error) {
    if (signal.aborted) throw abortedError(signal.reason);
    if (error instanceof HeatseekError) throw error;
    const why = "; if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval'";
    throw new HeatseekError('unsupported', `the engine's WebAssembly did not start${why}`, { cause: error });
  }
}

function onPanic(message: string): void {
  fail(new HeatseekError('internal', `internal error: ${message}; please report this`));
}

function fail(error: HeatseekError): void {
  broken ??= error;
  for (const reject of running) reject(broken);
}

/** A trap that no panic announced, such as memory that ran out, shows up as an uncaught error of the thread. */
function onUncaught(event: Event): void {
  const { error, reason } = event as Event & { error?: unknown; reason?: unknown };
  const trap = error ?? reason;
  if (!(trap instanceof WebAssembly.RuntimeError || trap instanceof RangeError)) return;
  fail(new HeatseekError('out_of_memory', 'the engine stopped, most likely for want of memory', { cause: trap }));
}

function listen(on: boolean): void {
  const scope: Partial<EventTarget> = globalThis;
  const change = on ? scope.addEventListener : scope.removeEventListener;
  change?.call(globalThis, 'error', onUncaught);
  change?.call(globalThis, 'unhandledrejection', onUncaught);
}
