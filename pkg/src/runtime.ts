/** Starting WebAssembly, and what to do when it breaks. One instance per thread. */
import { HeatseekError, abortedError } from './errors.js';
import type { WasmSource } from './protocol.js';
import init, { install } from './wasm/heatseek.js';

let starting: Promise<void> | undefined;
let broken: HeatseekError | undefined;
const running = new Set<(error: HeatseekError) => void>();

/** Starts the engine's code; the second time it is there already. A failed start may be tried again. */
export function start(source: WasmSource, signal: AbortSignal): Promise<void> {
  if (broken) return Promise.reject(broken);
  starting ??= instantiate(source, signal).catch((error: unknown) => {
    starting = undefined;
    throw error;
  });
  return starting;
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

async function instantiate(source: WasmSource, signal: AbortSignal): Promise<void> {
  try {
    await init({ module_or_path: typeof source === 'string' ? await fetchWasm(source, signal) : source });
  } catch (error) {
    if (signal.aborted) throw abortedError(signal.reason);
    if (error instanceof HeatseekError) throw error;
    const why = "; if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval'";
    throw new HeatseekError('unsupported', `the engine's WebAssembly did not start${why}`, { cause: error });
  }
  install((message: string) => fail(new HeatseekError('internal', `internal error: ${message}; please report this`)));
}

async function fetchWasm(url: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (cause) {
    throw new HeatseekError('network', `${url} could not be fetched: no answer`, { cause });
  }
  if (response.ok && !response.headers.get('content-type')?.startsWith('text/html')) return response;
  const status = response.ok ? 'a page' : response.status;
  const way = "a bundler that does not follow `new URL(…, import.meta.url)` needs the option `wasm`, see the README";
  throw new HeatseekError('not_found', `${url} is not the engine's WebAssembly: the server answered ${status}; ${way}`);
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
