/** The script of the worker: `heatseek/worker`; and of the threads that it starts. */
import { host } from './host.js';
import { serve } from './serve.js';
import { THREAD, beThread, type ThreadScope } from './threads.js';
import { initSync, kernel_thread, kernel_thread_failed } from './wasm/heatseek.js';

type Scope = ThreadScope & Parameters<typeof serve>[0] & { readonly name: string };

function begin(scope: Scope): void {
  if (scope.name === THREAD) beThread(scope, { initSync, kernel_thread, kernel_thread_failed });
  else serve(scope);
}

// A thread of Node's has no scope of the web's. Its messages wait for whoever listens.
if ('WorkerGlobalScope' in globalThis) begin(self as unknown as Scope);
else void host().then((node) => begin(node?.scope() as Scope));
