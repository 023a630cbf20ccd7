/** Which build of the engine this browser runs. */
import { HeatseekError } from './errors.js';
import { fetchHere } from './host.js';
import { UNANSWERED } from './http.js';
import type { WasmSources } from './protocol.js';

/**
 * Valid where there are relaxed SIMD and shared memory:
 *
 *     (module
 *       (memory 1 1 shared)
 *       (func (result v128)
 *         (i8x16.relaxed_swizzle
 *           (i8x16.splat (i32.atomic.load (i32.const 0)))
 *           (i8x16.splat (i32.const 0)))))
 */
const PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, // type: () -> v128
  0x03, 0x02, 0x01, 0x00, // one function of it
  0x05, 0x04, 0x01, 0x03, 0x01, 0x01, // memory: shared, from 1 to 1 page
  0x0a, 0x13, 0x01, 0x11, 0x00, // code
  0x41, 0x00, 0xfe, 0x10, 0x02, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b,
]);

/** Pages of 64 KiB that an engine starts with: no fewer than its module says; more cost nothing until they are used. */
const FIRST_PAGES = 256;

/**
 * Shared memory says at once how far it may grow, and some systems cannot set 4 GiB of addresses aside: then 2, or
 * 1. The memory that is not shared has no such limit.
 */
const MOST_PAGES = [65536, 32768, 16384] as const;

/** The build to use, and its memory. */
export interface Chosen {
  readonly variant: keyof WasmSources;
  readonly source: NonNullable<WasmSources[keyof WasmSources]>;
  readonly memory: WebAssembly.Memory;
}

/** Chooses among the builds that are given. */
export function choose(sources: WasmSources): Chosen {
  const { baseline, relaxed } = sources;
  const shared = relaxed !== undefined && WebAssembly.validate(PROBE) ? sharedMemory() : undefined;
  if (shared && relaxed !== undefined) return { variant: 'relaxed', source: relaxed, memory: shared };
  return { variant: 'baseline', source: baseline, memory: new WebAssembly.Memory({ initial: FIRST_PAGES }) };
}

/** Memory that threads can share; without cross-origin isolation it is there too, but cannot be sent to any. */
function sharedMemory(): WebAssembly.Memory | undefined {
  for (const maximum of MOST_PAGES) {
    try {
      return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum, shared: true });
    } catch {
      // Less may do.
    }
  }
  return undefined;
}

/**
 * Compiles a build.
 * @throws HeatseekError of code `network` or `not_found` where it is not to be had
 */
export async function compile(source: Chosen['source'], signal: AbortSignal): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof source !== 'string') return WebAssembly.compile(source);
  const response = await fetchWasm(source, signal);
  // Browsers compile on the way only what is called by its right name.
  const streams = response.headers.get('content-type')?.startsWith('application/wasm');
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

async function fetchWasm(url: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetchHere(url, { signal });
  } catch (cause) {
    throw new HeatseekError('network', `${url} could not be fetched: ${UNANSWERED}`, { cause });
  }
  if (response.ok && !response.headers.get('content-type')?.startsWith('text/html')) return response;
  const status = response.ok ? 'a page' : response.status;
  const way = "a bundler that does not follow `new URL(…, import.meta.url)` needs the option `wasm`, see the README";
  throw new HeatseekError('not_found', `${url} is not the engine's WebAssembly: the server answered ${status}; ${way}`);
}
