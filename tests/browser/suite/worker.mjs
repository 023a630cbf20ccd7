// The conformance suites in a worker, where they may have threads; and those threads.
import { THREAD, beThread } from '/pkg/threads.js';
import * as engine from '/pkg/suite/heatseek_conformance.js';
import * as suite from './start.mjs';

if (self.name === THREAD) {
  beThread(self, engine);
} else {
  // A panic leaves a promise without an answer, and this worker with an uncaught error that the page hears of.
  self.addEventListener('message', async ({ data: [name, ...args] }) => {
    try {
      postMessage({ value: await suite[name](...args) });
    } catch (error) {
      postMessage({ error: String(error) });
    }
  });
}
