/** What "Look at a picture" does: fetches the maps that a drawing lacks, and none twice. */

import type { Attention, AttentionOptions, Model } from 'heatseek';

import { explain, isAbort } from '../problems.ts';
import type { Store } from '../state.ts';
import { decode, isProblem } from './files.ts';
import { Maps, MOST_TOKENS } from './maps.ts';
import type { Look, LookState, Picture, PictureStore } from './state.ts';

export class Looker {
  readonly #page: Store;
  readonly #store: PictureStore;
  readonly #model: () => Promise<Model | undefined>;
  #working = new AbortController();
  #fetching = false;
  #failed: string | undefined;

  constructor(page: Store, store: PictureStore, model: () => Promise<Model | undefined>) {
    this.#page = page;
    this.#store = store;
    this.#model = model;
  }

  get #state(): LookState {
    return this.#store.state.looking;
  }

  /** Looks at another picture. What was computed for the last one is forgotten. */
  async open(blob: Blob, name: string): Promise<void> {
    const picture = await decode(blob, name);
    if (isProblem(picture)) {
      this.#page.complain(picture);
      return;
    }
    this.cancel();
    this.#working = new AbortController();
    this.#failed = undefined;
    this.#state.picture?.bitmap.close();
    const look = { ...this.#state.look, query: 0 };
    this.#set({ picture, maps: undefined, busy: undefined, look });
    await this.#fetch();
  }

  /** Changes how the picture is looked at; what is at hand is drawn at once. */
  change(change: Partial<Look>): void {
    this.#failed = undefined;
    this.#set({ look: { ...this.#state.look, ...change } });
    void this.#fetch();
  }

  /** Goes on with a picture that was waiting for the model. */
  resume(): void {
    void this.#fetch();
  }

  cancel(): void {
    this.#working.abort();
  }

  /** One call at a time, and always for what is drawn now. */
  async #fetch(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    const model = await this.#model();
    for (let step = model && this.#missing(); model && step; step = this.#missing()) await this.#step(model, step);
    this.#fetching = false;
  }

  /** The call whose answer is lacking most. */
  #missing(): Missing | undefined {
    const { picture, maps, look } = this.#state;
    if (!picture) return undefined;
    const step = needed(maps, look.layer);
    return step && step.key !== this.#failed ? { ...step, picture } : undefined;
  }

  async #step(model: Model, { key, doing, options, picture }: Missing): Promise<void> {
    const { signal } = this.#working;
    this.#set({ busy: { doing, share: undefined } });
    try {
      const attention = await model.attention(picture.blob, { ...options, signal });
      if (picture === this.#state.picture) this.#keep(model, attention);
    } catch (error) {
      // A newer picture has aborted this call, and comes next.
      if (picture === this.#state.picture) this.#failed = key;
      if (!isAbort(error)) this.#page.complain(explain(error, `looking at “${picture.name}”`));
    }
    if (picture === this.#state.picture) this.#set({ busy: undefined });
  }

  #keep({ info }: Model, attention: Attention): void {
    const { maps, look } = this.#state;
    const { layout, shape } = attention;
    if (maps) this.#set({ maps: maps.and(attention) });
    else if (layout.kind === 'image') {
      const { numHiddenLayers: layers, numAttentionHeads: heads } = info;
      this.#set({
        maps: new Maps({ layout, layers, heads, tokens: shape[3] }),
        // The last layer says most about what the model sees.
        look: { ...look, layer: Math.min(look.layer, layers - 1) },
      });
    }
  }

  #set(change: Partial<LookState>): void {
    this.#store.update({ looking: { ...this.#state, ...change } });
  }
}

interface Missing {
  /** Names the call, so that one which failed is not made again and again. */
  readonly key: string;
  readonly doing: string;
  readonly options: AttentionOptions;
  readonly picture: Picture;
}

function needed(maps: Maps | undefined, layer: number): Omit<Missing, 'picture'> | undefined {
  // One small map first: it tells how many tokens there are.
  if (!maps) return { key: 'first', doing: 'Looking', options: { layers: [0], reduce: 'mean' } };
  if (maps.present.includes(layer)) return undefined;
  if (maps.tokens <= MOST_TOKENS) return { key: 'all', doing: 'Fetching what every patch looked at', options: {} };
  return { key: `layer ${layer}`, doing: `Fetching layer ${layer}`, options: { layers: [layer] } };
}
