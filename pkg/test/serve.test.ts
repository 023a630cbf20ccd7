/** The engine's end of the protocol over an engine that only counts its steps. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Control } from '../src/control.js';
import { priorityOf } from '../src/queue.js';
import { serve, type ServerPort } from '../src/serve.js';
import type { FromEngine, Request, ToEngine } from '../src/protocol.js';
import type { Embeddings } from '../src/types.js';

/** Steps of a text, as a batch has them. */
const STEPS = 4;

const engine = vi.hoisted(() => ({
  /** The texts of each call, in the order they began. */
  calls: [] as string[][],
  /** The text that each step was of. */
  steps: [] as string[],
  /** What happens at a step. */
  at: new Map<number, () => void>(),
  freed: 0,
  /** A signal for each time that devices were compared. */
  comparisons: [] as AbortSignal[],
}));

vi.mock('../src/runtime.js', () => ({ threadsInUse: () => 1 }));
vi.mock('../src/engine.js', () => ({
  Engine: class {
    readonly warnings = [];
    readonly timeline = [];
    static async load() {
      return new this();
    }
    info() {
      return { device: { kind: 'cpu', name: 'a counter' } };
    }
    /** A text's vector is its length and its first character; `two` texts have two. */
    async embed(texts: readonly string[], _: unknown, control: Control): Promise<Embeddings> {
      engine.calls.push([...texts]);
      const rows: number[][] = [];
      for (const [at, text] of texts.entries()) {
        for (let step = 0; step < STEPS; step++) {
          if (await control.checkpoint()) throw Object.assign(new Error('stopped'), { code: 'aborted' });
          engine.steps.push(text);
          engine.at.get(engine.steps.length)?.();
        }
        if (text === 'bad') throw Object.assign(new Error('it is bad'), { code: 'invalid_input' });
        rows.push(...Array.from({ length: text.startsWith('two') ? 2 : 1 }, () => [text.length, text.charCodeAt(0)]));
        control.report('embed', at + 1, texts.length);
      }
      const counts = texts.map((text) => (text.startsWith('two') ? 2 : 1));
      return {
        data: Float32Array.from(rows.flat()), shape: [rows.length, 2], tokens: texts.map(({ length }) => length), truncated: texts.map(() => false),
        ...(counts.includes(2) && { counts }),
      };
    }
    poolers() {
      return [];
    }
    async tune() {
      return false;
    }
    /** Goes on until it is ended. */
    compare(signal: AbortSignal): Promise<boolean> {
      engine.comparisons.push(signal);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(true)));
    }
    free() {
      engine.freed++;
    }
  },
}));

/** A page's end of it. */
class Page implements ServerPort {
  readonly said: FromEngine[] = [];
  #listener: ((event: MessageEvent<ToEngine>) => void) | undefined;
  #id = 0;
  postMessage(message: FromEngine) {
    this.said.push(message);
  }
  addEventListener(_: 'message', listener: (event: MessageEvent<ToEngine>) => void) {
    this.#listener = listener;
  }
  tell(message: ToEngine) {
    this.#listener?.({ data: message } as MessageEvent<ToEngine>);
  }
  embed(texts: readonly string[], more: object = {}): number {
    const id = ++this.#id;
    this.tell({ type: 'embed', id, texts, settings: { pooling: { name: 'auto' }, hidden: false }, ...more } as Request);
    return id;
  }
  /** What came of a call; undefined if nothing has yet. */
  outcome(id: number): unknown {
    const last = this.said.find((message) => (message.type === 'result' || message.type === 'error') && message.id === id);
    if (last?.type === 'result') return [...(last.value as Embeddings).data];
    return last?.type === 'error' ? last.error.code : undefined;
  }
  async settled(...ids: number[]): Promise<unknown[]> {
    await vi.waitFor(() => expect(ids.map((id) => this.outcome(id))).not.toContain(undefined), { interval: 1 });
    return ids.map((id) => this.outcome(id));
  }
}

let page: Page;
beforeEach(async () => {
  [engine.calls.length, engine.steps.length, engine.freed, engine.comparisons.length] = [0, 0, 0, 0];
  engine.at.clear();
  serve((page = new Page()));
  page.tell({ type: 'load', id: 1000 } as Request);
  await vi.waitFor(() => expect(page.said.at(-1)?.type).toBe('result'), { interval: 1 });
});
// Nothing of one test rests, or is measured, in the next.
afterEach(() => page.tell({ type: 'dispose' }));

const vector = (...texts: string[]) => texts.flatMap((text) => [text.length, text.charCodeAt(0)]);
const MANY = ['alpha', 'beta', 'gamma', 'delta'];

test('a query overtakes a call of many texts at its next step, and both have their own', async () => {
  let query = 0;
  engine.at.set(6, () => (query = page.embed(['query'])));
  const many = page.embed(MANY);
  expect(await page.settled(many)).toEqual([vector(...MANY)]);
  expect(page.outcome(query)).toEqual(vector('query'));
  const order = page.said.flatMap((message) => (message.type === 'result' ? [message.id] : []));
  expect(order).toEqual([1000, query, many]);
  expect(engine.steps.slice(5, 11)).toEqual(['beta', ...Array<string>(STEPS).fill('query'), 'beta']);
});

test('bulk calls wait for those before them and for every interactive one; what the caller says counts', async () => {
  const ids: number[] = [];
  engine.at.set(2, () => ids.push(
    page.embed(['later', 'latest']), page.embed(['patient'], { priority: 'bulk' }), page.embed(['up', 'front'], { priority: 'interactive' }), page.embed(['query']),
  ));
  ids.push(page.embed(MANY));
  await page.settled(...ids);
  await page.settled(...ids);
  expect(engine.calls).toEqual([MANY, ['up', 'front'], ['query'], ['later', 'latest', 'patient']]);
  expect(ids.map((id) => page.outcome(id))).toEqual(
    [MANY, ['later', 'latest'], ['patient'], ['up', 'front'], ['query']].map((texts) => vector(...texts)),
  );
});

test('a bulk call begins when no interactive one is left', async () => {
  let bulk = 0;
  engine.at.set(2, () => (bulk = page.embed(['b', 'u'])));
  const begun: number[] = [];
  for (const step of [3, 4]) engine.at.set(step, () => begun.push(engine.calls.length));
  await page.settled(page.embed(['query']));
  expect(begun).toEqual([1, 1]);
  expect(await page.settled(bulk)).toEqual([vector('b', 'u')]);
});

test('small calls alike that wait are one batch, no larger than the device likes; others are their own', async () => {
  const alike = Array.from({ length: 40 }, (_, at) => `${'x'.repeat(20)} ${at}`);
  const first = page.embed(['first']);
  const ids = alike.map((text) => page.embed([text]));
  const cut = page.embed(['cut'], { settings: { pooling: { name: 'auto' }, hidden: false, maxLength: 9 } });
  const int8 = { settings: { pooling: { name: 'auto' }, hidden: false, precision: 'int8' } };
  const [stepped, again] = [page.embed(['steps'], int8), page.embed(['of its own'], int8)];
  const same = page.embed(['same'], { settings: { hidden: false, pooling: { name: 'auto' } } });
  await page.settled(first, ...ids, cut, stepped, again, same);
  expect(ids.map((id) => page.outcome(id))).toEqual(alike.map((text) => vector(text)));
  // 512 units: 22 texts of 22 or 23.
  expect(engine.calls.map(({ length }) => length)).toEqual([1, 23, 18, 1, 1, 1]);
  expect(engine.calls.slice(-3)).toEqual([['cut'], ['steps'], ['of its own']]);
});

test('of a merged call each gets the vectors of its own texts, however many they have', async () => {
  const ids = [page.embed(['first'])];
  const texts = [['two of a'], ['b'], ['two of c'], ['d']];
  ids.push(...texts.map((of) => page.embed(of)));
  await page.settled(...ids);
  expect(engine.calls).toEqual([['first'], texts.flat()]);
  expect(ids.slice(1).map((id) => page.outcome(id))).toEqual([
    vector('two of a', 'two of a'), vector('b'), vector('two of c', 'two of c'), vector('d'),
  ]);
});

test('progress of a merged call is that of each', async () => {
  page.embed(['first']);
  const id = page.embed(['a']);
  const quiet = page.embed(['b'], { quiet: true });
  const other = page.embed(['c']);
  await page.settled(other);
  const progress = (of: number) => page.said.flatMap((m) => (m.type === 'progress' && m.id === of ? [m.progress.loaded] : []));
  expect([progress(id), progress(quiet), progress(other)]).toEqual([[1, 1, 1], [], [0, 0, 1]]);
});

test('an abort ends the work with the step it is at', async () => {
  const many = page.embed(MANY);
  engine.at.set(6, () => page.tell({ type: 'abort', id: many }));
  expect(await page.settled(many)).toEqual(['aborted']);
  expect(engine.steps).toHaveLength(6);
  expect(await page.settled(page.embed(['after']))).toEqual([vector('after')]);
});

test('an abort of what waits is answered at once, and it never begins', async () => {
  const many = page.embed(MANY);
  const [waiting, query] = [page.embed(['w', 'v']), page.embed(['q'])];
  engine.at.set(1, () => {
    page.tell({ type: 'abort', id: waiting });
    expect(page.outcome(waiting)).toBe('aborted');
  });
  await page.settled(many, query);
  expect(engine.calls).not.toContainEqual(['w', 'v']);
});

test('a merged call goes on as long as anybody waits for it, and no longer', async () => {
  page.embed(['first']);
  const ids = ['a', 'b', 'c'].map((text) => page.embed([text]));
  const abort = (at: number) => () => page.tell({ type: 'abort', id: ids[at] as number });
  engine.at.set(5, abort(0)).set(6, abort(2));
  await page.settled(...ids);
  expect(page.outcome(ids[1] as number)).toEqual(vector('b'));
  expect(engine.calls).toEqual([['first'], ['a', 'b', 'c']]);
  engine.steps.length = 0;
  engine.at.clear();
  page.embed(['first']);
  const gone = ['d', 'e'].map((text) => page.embed([text]));
  for (const [at, id] of gone.entries()) engine.at.set(6 + at, () => page.tell({ type: 'abort', id }));
  expect(await page.settled(...gone)).toEqual(['aborted', 'aborted']);
  expect(engine.steps).toHaveLength(7);
});

test('what is wrong with one of several merged calls is told to that one', async () => {
  page.embed(['first']);
  const ids = ['good', 'bad', 'fine'].map((text) => page.embed([text]));
  expect(await page.settled(...ids)).toEqual([vector('good'), 'invalid_input', vector('fine')]);
});

test('an engine is freed when nothing runs in either lane', async () => {
  const many = page.embed(MANY);
  const dropped = page.embed(['never', 'begun'], { settings: { pooling: { name: 'auto' }, hidden: false, maxLength: 9 } });
  engine.at.set(3, () => {
    page.embed(['query']);
    engine.at.set(5, () => page.tell({ type: 'dispose' }));
  });
  await page.settled(many);
  await vi.waitFor(() => expect(engine.freed).toBe(1), { interval: 1 });
  expect(engine.steps.length).toBeLessThan(9);
  expect(engine.calls).toEqual([MANY, ['query']]);
  expect(page.outcome(dropped)).toBeUndefined();
});

test('devices are compared when nobody has asked for anything for a while; a call ends that, until the next rest', async () => {
  const begun = (count: number) => vi.waitFor(() => expect(engine.comparisons).toHaveLength(count), { timeout: 5000 });
  await begun(1);
  expect(engine.comparisons[0]?.aborted).toBe(false);
  expect(await page.settled(page.embed(['query']))).toEqual([vector('query')]);
  expect(engine.comparisons[0]?.aborted).toBe(true);
  await begun(2);
  expect(engine.comparisons[1]?.aborted).toBe(false);
  page.tell({ type: 'dispose' });
  expect(engine.comparisons[1]?.aborted).toBe(true);
  await vi.waitFor(() => expect(engine.freed).toBe(1));
});

test('calls for one input are interactive', () => {
  const of = (request: object) => priorityOf(request as Request);
  expect(of({ type: 'embed', texts: ['a'] })).toBe('interactive');
  expect(of({ type: 'embed', texts: ['a', 'b'] })).toBe('bulk');
  expect(of({ type: 'embed', texts: [] })).toBe('bulk');
  expect(of({ type: 'embed-images', images: [''] })).toBe('interactive');
  expect(of({ type: 'index-search' })).toBe('interactive');
  for (const type of ['index-add', 'index-remove', 'index-dispose', 'embed-chunks', 'occlusion', 'load']) expect(of({ type })).toBe('bulk');
  expect(of({ type: 'index-search', priority: 'bulk' })).toBe('bulk');
});
