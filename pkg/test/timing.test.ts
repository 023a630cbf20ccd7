import { afterEach, expect, test, vi } from 'vitest';
import { Stopwatch, Timeline, since } from '../src/timing.js';

let clock = 0;
const at = (ms: number) => { clock = ms; };
vi.spyOn(performance, 'now').mockImplementation(() => clock);
const origin = performance.timeOrigin;
afterEach(() => at(0));

test('the parts of a call are summed over its batches, and waiting between them is nobody\'s', () => {
  const watch = new Stopwatch();
  const moments = [['begun', 10], ['prepared', 12], ['computed', 20], ['read-back', 21], ['begun', 50], ['prepared', 51], ['computed', 61], ['read-back', 63]] as const;
  for (const [moment, ms] of moments) {
    at(ms);
    watch.mark(moment);
  }
  for (const [part, ms] of Object.entries({ prepare: 3, compute: 18, readBack: 3 })) {
    // Times since 1970 have about a thousandth of a millisecond left.
    expect(watch.timing[part as 'compute']).toBeCloseTo(ms, 2);
  }
});

test('a timeline has the steps that ended, in the order they began, since the call', () => {
  const timeline = new Timeline();
  const steps: [number, () => void][] = [
    [5, () => timeline.start('runtime')], [9, () => timeline.end('runtime')],
    [9, () => timeline.start('device')], [10, () => timeline.start('weights')],
    [14, () => timeline.end('device')], [14, () => timeline.start('compile')],
    [30, () => timeline.end('weights')], [31, () => timeline.progress({ stage: 'read', loaded: 0, total: 2 })],
    [33, () => timeline.progress({ stage: 'read', loaded: 2, total: 2 })],
    [34, () => timeline.progress({ stage: 'prepare', loaded: 0, total: 1 })],
    [35, () => timeline.end('compile')], [38, () => timeline.end('upload')],
    [40, () => timeline.progress({ stage: 'self-check', loaded: 0, total: 1 })],
    [44, () => timeline.progress({ stage: 'self-check', loaded: 1, total: 1 })],
    // A second attempt changes nothing, nor does the end of what never began.
    [50, () => timeline.end('upload')], [60, () => timeline.end('configuration')],
  ];
  for (const [ms, step] of steps) {
    at(ms);
    step();
  }
  const spans = since(origin + 1, timeline.spans);
  expect(spans.map(({ step, start, end }) => [step, Math.round(start), Math.round(end)])).toEqual([
    ['worker', 0, 4], ['runtime', 4, 8], ['device', 8, 13], ['weights', 9, 29], ['compile', 13, 34], ['read', 30, 32],
    ['prepare', 32, 39], ['upload', 33, 37], ['self-check', 39, 43],
  ]);
});
