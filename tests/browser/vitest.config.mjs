// Browser tests share two cores with a software GPU, which compiles its kernels on one of them: two files at a time, each
// with a browser of its own, and no short timeouts.
import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

/** What takes longest, which at the end one core would wait for. */
const FIRST = ['conformance.test.mjs', 'tuning.test.mjs'];

class LongestFirst extends BaseSequencer {
  async sort(files) {
    const rank = ({ moduleId }) => (FIRST.includes(basename(moduleId)) ? 0 : 1);
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ['**/*.test.mjs'],
    root: import.meta.dirname,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 900_000,
    hookTimeout: 300_000,
    // By default it gives up after a second, in which a busy machine may not have ended a worker.
    expect: { poll: { timeout: 60_000 } },
    reporters: ['verbose'],
  },
});
