/** Where time goes: of a call, and of loading a model. Clocks are read in the worker. */
import type { Progress } from './progress.js';

/**
 * Where the time of an embed call went, in milliseconds, summed over its batches. What the call took beyond their sum is
 * messages between threads and waiting for its turn.
 */
export interface Timing {
  /** Texts were tokenized; pictures decoded, resized and cut into patches. */
  readonly prepare: number;
  /** The device computed, from handing it the batch to its word that it is done. */
  readonly compute: number;
  /** Results were read back into memory; next to nothing on the CPU, whose memory they are in. */
  readonly readBack: number;
}

/** What happens in a `load`, roughly in order; some of it at the same time. */
export type LoadStep =
  /** The worker starts and its script is fetched. */
  | 'worker'
  /** The engine's WebAssembly is fetched and compiled. */
  | 'runtime'
  /** Configuration and tokenizer are fetched, which does not wait for the engine. */
  | 'configuration'
  /** Weights are fetched, from the same moment on. */
  | 'weights'
  /** The tokenizer is read, while weights are fetched. */
  | 'tokenizer'
  /** A GPU is asked for and opened. */
  | 'device'
  /** Its kernels are compiled, while weights are fetched. */
  | 'compile'
  /** All other files are read and checked. */
  | 'read'
  /** Weights are laid out for the device; on a GPU it is then waited for until all is there. */
  | 'prepare'
  /** Weights are handed to a GPU. */
  | 'upload'
  /** A GPU runs a first batch, and the CPU the same beside it. */
  | 'self-check'
  /** Kernels are measured, if that was asked for with `tune: 'now'`. */
  | 'tune';

/** A step of a `load`, in milliseconds since the call. */
export interface LoadSpan {
  readonly step: LoadStep;
  readonly start: number;
  readonly end: number;
}

/** A clock that threads of one page agree on. */
export const now = (): number => performance.timeOrigin + performance.now();

/** Sums up a call's parts from its moments. */
export class Stopwatch {
  readonly #sums = { prepare: 0, compute: 0, readBack: 0 };
  #last = now();

  /** Called by the engine. */
  mark(moment: 'begun' | 'prepared' | 'computed' | 'read-back'): void {
    const at = now();
    const part = ({ begun: undefined, prepared: 'prepare', computed: 'compute', 'read-back': 'readBack' } as const)[moment];
    if (part) this.#sums[part] += at - this.#last;
    this.#last = at;
  }

  get timing(): Timing {
    return { ...this.#sums };
  }
}

/** Writes down the steps of a `load`. */
export class Timeline {
  readonly #started = new Map<LoadStep, number>();
  readonly #spans: LoadSpan[] = [];

  start(step: LoadStep): void {
    if (!this.#started.has(step)) this.#started.set(step, now());
  }

  /** Ends a step that was started; the first end counts. */
  end(step: LoadStep): void {
    const start = this.#started.get(step);
    if (start !== undefined && !this.#spans.some((span) => span.step === step)) this.#spans.push({ step, start, end: now() });
  }

  /** What the engine tells of itself. */
  progress({ stage, loaded, total }: Progress): void {
    if (stage === 'read') {
      this.start('read');
      if (loaded === total) this.end('read');
      if (loaded === total) this.start('prepare');
    } else if (stage === 'prepare') {
      this.start('upload');
    } else if (stage === 'self-check') {
      this.end('prepare');
      this.start('self-check');
      if (loaded === total) this.end('self-check');
    }
  }

  /** The steps, by the clock of {@link now}. */
  get spans(): readonly LoadSpan[] {
    return this.#spans.toSorted((a, b) => a.start - b.start);
  }
}

/** The same since `began`, behind the start of the worker. */
export function since(began: number, spans: readonly LoadSpan[]): LoadSpan[] {
  const first = spans[0];
  const worker: LoadSpan[] = first ? [{ step: 'worker', start: began, end: first.start }] : [];
  return [...worker, ...spans].map(({ step, start, end }) => ({ step, start: start - began, end: end - began }));
}
