/** Measures: every side is loaded once and then called in rounds, each once a round, in turning order. */

import { load } from 'heatseek';
import type { Model } from 'heatseek';

import { isAbort } from '../problems.ts';
import { openPeer } from './peer.ts';
import type { Peer } from './peer.ts';
import type { Place, Plan, Run, SpeedStore, Stored } from './state.ts';
import { leastCosine, spread } from './stats.ts';
import { WORKS } from './work.ts';
import type { Work } from './work.ts';

/** The design's bars; a side that misses its bar is not timed. */
const LEAST_COSINE = { f32: 0.9999, f16: 0.9999, int8: 0.99 };
/** What is hot is compiled again while it runs, so the first calls are not the ones that count. */
const WARM_CALLS = 3;
/** And at least as long, in milliseconds: browsers go on optimising a large module on other threads, which slows every side. */
const WARM_MS = 2000;
/** Calls timed part by part. */
const PART_CALLS = 5;

const PLACES: Readonly<Record<Place, string>> = { gpu: 'WebGPU', cpu: 'CPU' };
const PEER_DEVICES = { gpu: 'webgpu', cpu: 'wasm' } as const;
const PEER_DTYPES = { f32: 'fp32', f16: undefined, int8: 'q8' } as const;

/** A side that is there to be called. */
interface Side {
  readonly index: number;
  readonly model?: Model;
  readonly peer?: Peer;
  /** Embeds the inputs. */
  readonly call: () => Promise<{ data: Float32Array; width: number }>;
}

interface Wanted {
  readonly place: Place;
  readonly dtype: Stored;
  readonly theirs: boolean;
}

/** Where models are, by what they read. */
export type Addresses = Readonly<Record<Work['reads'], string>>;

export async function measure(store: SpeedStore, plan: Plan, addresses: Addresses, signal: AbortSignal): Promise<void> {
  const work = WORKS.find(({ id }) => id === plan.work) ?? WORKS[0];
  const wanted: Wanted[] = plan.places.flatMap((place) => plan.dtypes.map((dtype) => ({ place, dtype, theirs: false })));
  if (plan.peer) wanted.push(...wanted.filter(({ dtype }) => PEER_DTYPES[dtype]).map((side) => ({ ...side, theirs: true })));
  const runs = wanted.map(({ place, dtype, theirs }): Run => ({ name: `${theirs ? 'transformers.js' : 'Heatseek'} · ${PLACES[place]} · ${dtype}`, rounds: [] }));
  store.update({ plan, runs, ended: undefined });
  const steps = 1 + wanted.length + plan.rounds + PART_CALLS;
  let done = 0;
  const tell = (doing: string): void => store.update({ busy: { doing, share: done++ / steps } });
  const sides: Side[] = [];
  try {
    // So that no side's start has a download in it that the next one's has not.
    tell('Fetching the model');
    (await load(addresses[work.reads], { device: 'cpu', signal })).dispose();
    let truth: Float32Array | undefined;
    for (const [index, want] of wanted.entries()) {
      tell(`Starting ${runs[index]?.name ?? ''}`);
      const side = await begin(store, index, want, plan, work, addresses, signal);
      if (!side) continue;
      sides.push(side);
      const { data, width } = await side.call();
      truth ??= data;
      const cosine = leastCosine(data, truth, width);
      store.change(index, { cosine });
      // Theirs is shown with what it is worth; that it is right is for their makers to say.
      if (want.theirs || cosine >= LEAST_COSINE[want.dtype]) continue;
      store.change(index, { refused: `Its vectors have a cosine of ${cosine.toFixed(4)} to the first side’s, and at least ${LEAST_COSINE[want.dtype]} is right: it was not timed` });
      close(sides.pop());
    }
    await rounds(store, sides, plan.rounds, signal, tell);
    await parts(store, sides, work, signal, tell);
    store.update({ ended: new Date().toISOString() });
  } finally {
    sides.forEach(close);
    store.update({ busy: undefined });
  }
}

/** Loads a side and has its first vector. */
async function begin(store: SpeedStore, index: number, want: Wanted, plan: Plan, work: Work, addresses: Addresses, signal: AbortSignal): Promise<Side | undefined> {
  const { place, dtype, theirs } = want;
  try {
    const began = performance.now();
    const side = theirs && plan.peer
      ? await theirSide(index, { ...plan.peer, device: PEER_DEVICES[place], dtype: PEER_DTYPES[dtype] ?? 'fp32' }, work)
      : await ourSide(index, addresses[work.reads], { place, dtype }, work, signal);
    const loaded = performance.now();
    await side.call();
    const [totalMs, firstMs] = [performance.now() - began, performance.now() - loaded];
    const { model, peer } = side;
    store.change(index, {
      cold: { totalMs, firstMs, steps: model?.timeline ?? [] },
      ...(model ? { device: model.info.device } : {}), ...(peer ? { version: `transformers.js ${peer.version}` } : {}),
    });
    signal.throwIfAborted();
    return side;
  } catch (error) {
    if (signal.aborted || isAbort(error)) throw error;
    // What the package says tells what to do; the page's advice is for the address.
    store.change(index, { refused: `It did not start: ${error instanceof Error ? error.message : String(error)}` });
    return undefined;
  }
}

async function ourSide(index: number, address: string, { place, dtype }: { place: Place; dtype: Stored }, work: Work, signal: AbortSignal): Promise<Side> {
  const model = await load(address, { device: place, dtype, signal });
  const inputs = work.inputs();
  const call: Side['call'] = async () => {
    const { data, shape } = await model.embed(inputs as string[], { signal });
    return { data, width: shape[1] };
  };
  return { index, model, call };
}

async function theirSide(index: number, source: Parameters<typeof openPeer>[0], work: Work): Promise<Side> {
  const peer = await openPeer(source, work);
  return { index, peer, call: peer.embed };
}

async function rounds(store: SpeedStore, sides: readonly Side[], count: number, signal: AbortSignal, tell: (doing: string) => void): Promise<void> {
  for (const side of sides) {
    const began = performance.now();
    for (let call = 0; call < WARM_CALLS || performance.now() - began < WARM_MS; call++) {
      signal.throwIfAborted();
      await side.call();
    }
  }
  for (let round = 0; round < count; round++) {
    tell(`Round ${round + 1} of ${count}`);
    for (let turn = 0; turn < sides.length; turn++) {
      signal.throwIfAborted();
      const side = sides[(round + turn) % sides.length];
      if (!side) continue;
      const began = performance.now();
      await side.call();
      const ms = performance.now() - began;
      store.change(side.index, { rounds: [...(store.state.runs[side.index]?.rounds ?? []), ms] });
    }
  }
}

/** Where the time of our calls goes. Apart from the rounds, because asking costs a GPU one more wait. */
async function parts(store: SpeedStore, sides: readonly Side[], work: Work, signal: AbortSignal, tell: (doing: string) => void): Promise<void> {
  const inputs = work.inputs() as string[];
  const found = new Map<Side, { prepare: number; compute: number; readBack: number; total: number }[]>();
  for (let call = 0; call < PART_CALLS; call++) {
    tell('Timing the parts of a call');
    for (const side of sides.filter(({ model }) => model)) {
      const began = performance.now();
      const timing = (await side.model?.embed(inputs, { timing: true, signal }))?.timing;
      if (timing) found.set(side, [...(found.get(side) ?? []), { ...timing, total: performance.now() - began }]);
    }
  }
  for (const [side, all] of found) {
    const median = (part: keyof (typeof all)[number]): number => spread(all.map((one) => one[part])).median;
    store.change(side.index, { parts: { prepare: median('prepare'), compute: median('compute'), readBack: median('readBack'), total: median('total') } });
  }
}

function close(side: Side | undefined): void {
  side?.model?.dispose();
  void side?.peer?.dispose();
}
