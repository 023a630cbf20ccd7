/** Starting WebAssembly, and what to do when it breaks. One instance per thread. */
import { useMemory } from './atomics.js';
import { HeatseekError, abortedError } from './errors.js';
import type { WasmSources } from './protocol.js';
import { defaultThreads, obstacle, startThreads } from './threads.js';
import { choose, compile } from './variant.js';
import init, { install, set_kernel_threads } from './wasm/heatseek.js';

/** The engine's code, running. */
interface Running {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

let starting: Promise<Running> | undefined;
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

/**
 * Has the CPU kernels compute on `wanted` threads, or on as many as suit the machine.
 * @returns why there are fewer than were wanted, where there are
 */
export async function useThreads(wanted: number | undefined): Promise<string | undefined> {
  const engine = await starting;
  if (!engine) return undefined;
  const why = obstacle(engine.memory);
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
  let module: WebAssembly.Module;
  try {
    module = await compile(source, signal);
    await init({ module_or_path: module, memory });
  } catch (error) {
    if (signal.aborted) throw abortedError(signal.reason);
    if (error instanceof HeatseekError) throw error;
    const why = "; if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval'";
    throw new HeatseekError('unsupported', `the engine's WebAssembly did not start${why}`, { cause: error });
  }
  useMemory(memory);
  install((message: string) => fail(new HeatseekError('internal', `internal error: ${message}; please report this`)));
  return { module, memory };
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
