/** Whether `auto` means the GPU or the CPU for a model on this machine: measured once, when nobody asks for anything, and kept. */
import { pause } from './files.js';
import type { Calls, EmbedSettings, FromEngine } from './protocol.js';
import { now } from './timing.js';
import { Tunings } from './tuning.js';
import type { ModelInfo } from './types.js';

type LoadArgs = Calls['load']['args'];

/** How long nobody may have asked for anything, in milliseconds, behind tuning: to start an engine takes the machine a while. */
const QUIET_MS = 1000;
/** How often calls may end it before this visit does without. */
const TRIES = 3;
/** Larger models stay on the GPU: it computes for longer than it takes to start, and a second copy is much memory. */
const MOST_PARAMETERS = 50e6;
/** How many times as fast the CPU must be, of the two classes by their geometric mean, to be clearly so. */
const CLEARLY = 1.1;

/** What is measured: a query, and a batch of texts of some sixty tokens. */
const WORDS = 'the bees fly home ';
const CLASSES: readonly (readonly string[])[] = [[WORDS], Array<string>(16).fill(WORDS.repeat(15))];
const SETTINGS: EmbedSettings = { pooling: 'auto', hidden: false };

/** What is kept of a comparison. */
interface Choice {
  readonly device: 'gpu' | 'cpu';
  /** What a call of each class took, in milliseconds; the batch only where the query did not decide, nothing where the CPU failed. */
  readonly took: readonly (readonly [gpu: number, cpu: number])[];
}

/** Embeds on the GPU, until measuring is ended. */
type Embed = (texts: readonly string[], settings: EmbedSettings) => Promise<unknown>;

/** The choice between GPU and CPU for one load of a model. */
export class DeviceChoice {
  readonly #args: LoadArgs;
  readonly #key: string;
  /** What was chosen on an earlier visit. */
  readonly device: Choice['device'] | undefined;
  #tries: number;

  private constructor(args: LoadArgs, key: string, device: Choice['device'] | undefined) {
    this.#args = args;
    this.#key = key;
    this.device = device;
    this.#tries = device ? 0 : TRIES;
  }

  /** Of a load with `auto`; undefined where there is nothing to choose, or no name to keep it by. */
  static async find(args: LoadArgs): Promise<DeviceChoice | undefined> {
    const { source, dtype, threads, input } = args;
    if (!('base' in source)) return undefined;
    try {
      // As the engine asks for it.
      const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
      const { vendor, architecture, device, description } = (adapter as GPUAdapter).info;
      const { crossOriginIsolated } = globalThis;
      const key = [source.base, dtype, threads, input, crossOriginIsolated, vendor, architecture, device, description].join();
      const kept = await new Tunings().find(key);
      return new DeviceChoice(args, key, kept && JSON.parse(kept).device);
    } catch {
      // No WebGPU, no adapter, or one that the browser says nothing of.
      return undefined;
    }
  }

  /**
   * Compares the devices where that has not been done, for loads to come: one engine serves all calls, and two would hold
   * the model twice.
   * @returns whether `signal` ended it, so that it may be tried again
   */
  async measure({ device, input, parameters }: ModelInfo, embed: Embed, signal: AbortSignal): Promise<boolean> {
    const { cache, lender } = this.#args;
    // Only a worker has a script that can be started again, and only files that are kept are not downloaded again.
    const possible = typeof document === 'undefined' && cache && !lender;
    if (!this.#tries || !possible || device.kind !== 'gpu' || input !== 'text' || parameters > MOST_PARAMETERS) return false;
    let choice: Choice = { device: 'gpu', took: [] };
    try {
      await pause(QUIET_MS, signal);
      this.#tries--;
      choice = await compare(this.#args, embed, signal);
    } catch {
      // A call came; or no other engine can be had, which nobody asked for, and the next visit need not try again.
    }
    if (signal.aborted) return true;
    this.#tries = 0;
    await new Tunings().keep(this.#key, JSON.stringify(choice));
    return false;
  }
}

/** Times the GPU, and the CPU in an engine of its own, which ends with it. */
async function compare(args: LoadArgs, embed: Embed, signal: AbortSignal): Promise<Choice> {
  const worker = new Worker(location.href, { type: 'module' });
  const ask = (request: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      signal.onabort = reject;
      worker.onerror = (event) => {
        // It is no error of this worker.
        event.preventDefault();
        reject(event);
      };
      worker.onmessage = ({ data }: { data: FromEngine }) => {
        if (data.type !== 'ready') (data.type === 'result' ? resolve : reject)(data);
      };
      worker.postMessage({ ...request, id: 0, quiet: true });
    });
  try {
    await ask({ ...args, type: 'load', device: 'cpu' });
    const took: [number, number][] = [];
    let gain = 1;
    for (const texts of CLASSES) {
      const gpu = await median(() => embed(texts, SETTINGS));
      const cpu = await median(() => ask({ type: 'embed', texts, settings: SETTINGS }));
      took.push([gpu, cpu]);
      gain *= gpu / cpu;
      // A GPU that wins the query wins the batch by more, which a CPU may take long for.
      if (gain < 1) break;
    }
    return { device: gain > CLEARLY ** CLASSES.length ? 'cpu' : 'gpu', took };
  } finally {
    worker.postMessage({ type: 'dispose' });
    // Not at once: Chromium never ends a worker that is terminated while one that it terminated itself is still ending, and who
    // made the call that ended this may dispose of the model next. A worker that ends first takes its own with it.
    setTimeout(() => worker.terminate(), QUIET_MS);
  }
}

/** What a run takes, in milliseconds: of three, behind one that warms up. */
async function median(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 4; n++) {
    const began = now();
    await run();
    times.push(now() - began);
  }
  return times.slice(1).sort((a, b) => a - b)[1] as number;
}
