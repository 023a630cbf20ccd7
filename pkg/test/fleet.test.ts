import { expect, test, vi } from 'vitest';
import { abortedError } from '../src/aborted.js';
import type { Client, Following } from '../src/client.js';
import { HeatseekError } from '../src/errors.js';
import { Fleet } from '../src/fleet.js';
import type { Calls } from '../src/protocol.js';

type Args = Calls['embed']['args'];
type Answer = Calls['embed']['result'];

const settings = { pooling: 'auto', hidden: false } as const;
const none: Following = {};
const LIMIT = 1e6;

/** Two numbers for each text; a text that starts with a digit has so many vectors. */
function embedded({ texts }: Args): Answer {
  const counts = texts.map((text) => Number(/^\d/.exec(text)?.[0] ?? 1));
  const rows = texts.flatMap((text, i) => Array.from({ length: counts[i] as number }, (_, row) => [text.length, row]));
  return {
    data: Float32Array.from(rows.flat()), shape: [rows.length, 2], tokens: texts.map((text) => text.length),
    truncated: texts.map((text) => text.endsWith('!')), ...(counts.some((n) => n !== 1) ? { counts } : {}),
  };
}

/** An engine that answers in a task of its own, and can be broken. */
function engine() {
  const calls: Args[] = [];
  const client = {
    ended: false,
    call: vi.fn(async (_: string, args: Args, { signal, onProgress }: Following = {}) => {
      calls.push(args);
      await new Promise((resolve) => setTimeout(resolve));
      if (client.ended) throw new HeatseekError('internal', 'broken');
      if (signal?.aborted) throw abortedError(signal.reason);
      onProgress?.({ stage: 'embed', loaded: args.texts.length, total: args.texts.length });
      return embedded(args);
    }),
    end: vi.fn(() => {
      client.ended = true;
    }),
  };
  return { calls, client, as: client as unknown as Client };
}

/** `count` texts of different lengths. */
const many = (count: number): string[] => Array.from({ length: count }, (_, at) => 'x'.repeat((at * 7) % 50) + (at % 5 ? '' : '!'));

test('many texts are shared, and the answer is that of one engine', async () => {
  const [first, second] = [engine(), engine()];
  const fleet = new Fleet(first.as, () => Promise.resolve(second.as), 2);
  for (const texts of [many(300), many(65).map((text, at) => `${at % 3}${text}`)]) {
    const progress: number[] = [];
    const answer = await fleet.embed({ texts, settings }, { onProgress: ({ loaded }) => progress.push(loaded) }, LIMIT);
    expect(answer).toEqual(embedded({ texts, settings }));
    expect(progress.at(-1)).toBe(texts.length);
    expect(progress).toEqual([...new Set(progress)].sort((a, b) => a - b));
  }
  expect(second.calls.length).toBeGreaterThan(1);
  expect(first.calls.length).toBeGreaterThan(1);
});

test('the longest come first, and long texts are parts of their own', async () => {
  const first = engine();
  const fleet = new Fleet(first.as, () => Promise.reject(new Error('no room')), 2);
  const texts = ['a', 'b'.repeat(9000), 'c'.repeat(5000), 'd'.repeat(5000), 'e'];
  await fleet.embed({ texts, settings }, none, LIMIT);
  expect(first.calls.map((args) => args.texts.map((text) => text[0]).join(''))).toEqual(['b', 'c', 'dae']);
  // What is cut off costs nothing.
  first.calls.length = 0;
  await fleet.embed({ texts, settings }, none, 10);
  expect(first.calls.map((args) => args.texts.length)).toEqual([5]);
});

test('few texts, and what depends on the whole call, stay with the first engine', async () => {
  const first = engine();
  const start = vi.fn();
  const fleet = new Fleet(first.as, start, 2);
  await fleet.embed({ texts: many(20), settings }, none, LIMIT);
  const whole: Partial<Args['settings']>[] = [{ hidden: true }, { weights: true }, { timing: true }, { precision: 'int8' }];
  for (const setting of whole) await fleet.embed({ texts: many(300), settings: { ...settings, ...setting } }, none, LIMIT);
  expect(first.calls.length).toBe(1 + whole.length);
  expect(start).not.toHaveBeenCalled();
});

test('an only engine is given a call as it is', async () => {
  const first = engine();
  const texts = many(300);
  const fleet = new Fleet(first.as, () => Promise.reject(new Error('no other was to be started')), 1);
  expect(await fleet.embed({ texts, settings }, none, LIMIT)).toEqual(embedded({ texts, settings }));
  expect(first.calls).toEqual([{ texts, settings }]);
});

test('an engine that breaks or does not start is done without', async () => {
  const [first, second] = [engine(), engine()];
  second.client.ended = false;
  second.client.call.mockImplementation(async () => {
    second.client.ended = true;
    throw new HeatseekError('out_of_memory', 'gone');
  });
  for (const start of [() => Promise.resolve(second.as), () => Promise.reject(new Error('no room'))]) {
    const fleet = new Fleet(first.as, start, 2);
    const texts = many(200);
    expect(await fleet.embed({ texts, settings }, none, LIMIT)).toEqual(embedded({ texts, settings }));
  }
});

test('nobody waits for an engine that is still starting', async () => {
  const first = engine();
  const fleet = new Fleet(first.as, () => new Promise(() => {}), 3);
  const texts = many(100);
  expect(await fleet.embed({ texts, settings }, none, LIMIT)).toEqual(embedded({ texts, settings }));
});

test('a wrong argument, an abort and the end reach the caller, and stop the other parts', async () => {
  const [first, second] = [engine(), engine()];
  const fleet = new Fleet(first.as, () => Promise.resolve(second.as), 2);
  first.client.call.mockImplementationOnce(() => Promise.reject(new HeatseekError('invalid_input', 'no such prompt')));
  await expect(fleet.embed({ texts: many(300), settings }, none, LIMIT)).rejects.toMatchObject({ code: 'invalid_input' });
  const abort = new AbortController();
  const call = fleet.embed({ texts: many(300), settings }, { signal: abort.signal }, LIMIT);
  abort.abort('changed my mind');
  await expect(call).rejects.toMatchObject({ code: 'aborted', cause: 'changed my mind' });
  const before = first.calls.length + second.calls.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(first.calls.length + second.calls.length).toBe(before);
  const late = fleet.embed({ texts: many(300), settings }, none, LIMIT);
  fleet.end(new HeatseekError('disposed', 'gone'));
  await expect(late).rejects.toBeInstanceOf(HeatseekError);
  expect(first.client.end).toHaveBeenCalled();
  await vi.waitFor(() => expect(second.client.end).toHaveBeenCalled());
});
