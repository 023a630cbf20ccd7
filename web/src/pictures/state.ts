/** What the picture views show, in one object. */

import type { Crop, Layout, PatchGrid } from 'heatseek';

import type { ModelState, Problem } from '../state.ts';
import { Watched } from '../watched.ts';
import type { Fusion, Maps } from './maps.ts';

export type ImageLayout = Extract<Layout, { kind: 'image' }>;

/** A picture that can be drawn: decoded, upright. */
export interface Picture {
  readonly name: string;
  readonly blob: Blob;
  readonly bitmap: ImageBitmap;
}

/** A number for each patch of a picture, and where the patches lie on it. */
export interface Heat {
  readonly values: Float32Array;
  readonly grid: PatchGrid;
  readonly crop: Crop;
  /** What the coldest and the hottest colour stand for. */
  readonly low: number;
  readonly high: number;
  /** Patches that are left out, and marked. */
  readonly hidden: readonly number[];
}

/** The settings of "Look at a picture": all that a drawing depends on, beside the numbers. */
export interface Look {
  readonly layer: number;
  /** A head, or all heads of the layer as one. */
  readonly head: number | 'all';
  readonly fusion: Fusion;
  /** The token that looks; CLS is the first. */
  readonly query: number;
  readonly hideRegisters: boolean;
  readonly hideSinks: boolean;
  readonly smooth: boolean;
  readonly opacity: number;
}

/** A step of work that people may wait for, and stop. */
export interface Busy {
  readonly doing: string;
  /** From 0 to 1, where it is known. */
  readonly share: number | undefined;
}

export interface LookState {
  readonly picture: Picture | undefined;
  readonly maps: Maps | undefined;
  readonly look: Look;
  readonly busy: Busy | undefined;
}

/** A picture of "Find pictures". Its vector is there once it has been embedded. */
export interface Item {
  readonly id: string;
  readonly name: string;
  readonly blob: Blob;
  /** An object URL of a small copy; freed when the picture is removed. */
  readonly thumbnail: string;
  readonly width: number;
  readonly height: number;
  readonly vector: Float32Array | undefined;
}

export interface Match {
  readonly item: Item;
  readonly score: number;
  /** Where the picture is like what was asked; absent until it has been computed. */
  readonly heat: Heat | undefined;
}

/** What was asked of the pictures. */
export type Asked =
  | { readonly kind: 'words'; readonly text: string }
  | { readonly kind: 'picture'; readonly name: string; readonly thumbnail: string };

export interface FindState {
  readonly items: readonly Item[];
  readonly busy: Busy | undefined;
  readonly skipped: readonly Problem[];
  readonly asked: Asked | undefined;
  readonly matches: readonly Match[];
}

/** A picture that comes with the page. */
export interface SamplePicture {
  readonly file: string;
  readonly name: string;
  readonly credit: string;
}

export interface PicturesState {
  readonly model: ModelState;
  /** The half of the model that reads words; absent where it has none. */
  readonly words: ModelState | undefined;
  readonly samples: readonly SamplePicture[];
  readonly looking: LookState;
  readonly finding: FindState;
}

export const FIRST_LOOK: Look = {
  layer: Infinity,
  head: 'all',
  fusion: 'mean',
  query: 0,
  hideRegisters: false,
  hideSinks: false,
  smooth: false,
  opacity: 0.65,
};

export const NO_PICTURES: PicturesState = {
  model: { kind: 'idle' },
  words: undefined,
  samples: [],
  looking: { picture: undefined, maps: undefined, look: FIRST_LOOK, busy: undefined },
  finding: { items: [], busy: undefined, skipped: [], asked: undefined, matches: [] },
};

export class PictureStore extends Watched<PicturesState> {
  constructor() {
    super(NO_PICTURES);
  }
}
