/** What the measuring view shows. */

import type { DeviceInfo, LoadSpan, Timing } from 'heatseek';

import type { PeerSource } from './peer.ts';
import { Watched } from '../watched.ts';

export type Place = 'gpu' | 'cpu';
export type Stored = 'f32' | 'f16' | 'int8';

/** What is asked for. */
export interface Plan {
  readonly work: string;
  readonly places: readonly Place[];
  readonly dtypes: readonly Stored[];
  readonly rounds: number;
  /** The other side, if it is wanted. */
  readonly peer: Omit<PeerSource, 'device' | 'dtype'> | undefined;
}

/** One side, on one device, in one precision. */
export interface Run {
  readonly name: string;
  /** Why there is nothing to show, where there is nothing. */
  readonly refused?: string;
  readonly device?: DeviceInfo;
  /** What it is, where that is not ours. */
  readonly version?: string;
  readonly cold?: {
    /** From the call that loads to the first vector. */
    readonly totalMs: number;
    readonly firstMs: number;
    readonly steps: readonly LoadSpan[];
  };
  /** Milliseconds of a call, round by round. */
  readonly rounds: readonly number[];
  /** Of further calls that were timed part by part: medians. */
  readonly parts?: Timing & { readonly total: number };
  /** The least cosine of its vectors to those of the first run. */
  readonly cosine?: number;
}

export interface Speed {
  readonly busy: { readonly doing: string; readonly share: number } | undefined;
  readonly plan: Plan | undefined;
  readonly runs: readonly Run[];
  /** When it ended; `undefined` of one that is under way or was stopped. */
  readonly ended: string | undefined;
}

export class SpeedStore extends Watched<Speed> {
  constructor() {
    super({ busy: undefined, plan: undefined, runs: [], ended: undefined });
  }

  /** Changes the run at `index`. */
  change(index: number, change: Partial<Run>): void {
    this.update({ runs: this.state.runs.map((run, at) => (at === index ? { ...run, ...change } : run)) });
  }
}
