/** The script of the worker: `heatseek/worker`; and of the threads that it starts. */
import { serve } from './serve.js';
import { THREAD, beThread, type ThreadScope } from './threads.js';
import { initSync, kernel_thread, kernel_thread_failed } from './wasm/heatseek.js';

if (self.name === THREAD) beThread(self as unknown as ThreadScope, { initSync, kernel_thread, kernel_thread_failed });
else serve(self as unknown as Parameters<typeof serve>[0]);
