/** How the engine reports and is stopped, on its own side of the boundary. */
import { abortedError } from './aborted.js';
import type { Progress } from './progress.js';
import { Stopwatch } from './timing.js';

/** How long events may wait while the engine works, but for the step that it is at, in milliseconds. */
const SLICE_MS = 16;

/** When events had their turn last. */
let turn = -Infinity;

/** Says that an event is being handled: those that came before it had their turn. */
export function eventHandled(): void {
  turn = performance.now();
}

/** Handed to the engine with every long call. */
export class Control {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;

  /** Where its parts are timed, if that is asked for. */
  readonly stopwatch: Stopwatch | undefined;

  readonly #giveWay: (() => Promise<void>) | undefined;

  /** `giveWay` is what others are waited for with, at each checkpoint. */
  constructor(
    signal: AbortSignal,
    progress: (progress: Progress) => void,
    { timing = false, giveWay }: { readonly timing?: boolean; readonly giveWay?: (() => Promise<void>) | undefined } = {},
  ) {
    this.signal = signal;
    this.progress = progress;
    this.stopwatch = timing ? new Stopwatch() : undefined;
    this.#giveWay = giveWay;
  }

  /** Asked by the engine: whether it is to tell moments. */
  get timing(): boolean {
    return this.stopwatch !== undefined;
  }

  /** Called by the engine. */
  readonly mark = (moment: Parameters<Stopwatch['mark']>[0]): void => this.stopwatch?.mark(moment);

  /** Called by the engine. */
  readonly report = (stage: Progress['stage'], loaded: number, total: number): void =>
    this.progress({ stage, loaded, total });

  /** Asked by the engine between steps of a batch: whether a checkpoint is due. */
  readonly due = (): boolean => performance.now() - turn > SLICE_MS;

  /** Awaited by the engine between pieces of work; messages get their turn now and then. True: stop. */
  readonly checkpoint = async (): Promise<boolean> => {
    if (this.due()) {
      await macrotask();
      eventHandled();
    }
    await this.#giveWay?.();
    return this.signal.aborted;
  };

  /** A {@link checkpoint} of work on this side: rejects if it is to stop. */
  async look(): Promise<void> {
    if (await this.checkpoint()) throw abortedError(this.signal.reason);
  }
}

/** Lets every event that has arrived be handled. A timer would be clamped to 4 ms; a message is not. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
