/** What "Look at text" asks of the model: maps of a text, the layer in view first. Switching views asks for nothing. */

import type { Model } from 'heatseek';

import type { Engine } from '../engine.ts';
import { explain, isAbort } from '../problems.ts';
import type { Store } from '../state.ts';
import { TextMaps } from './maps.ts';
import { NOT_ASKED } from './state.ts';
import type { TextState, TextStore } from './state.ts';

/** Up to so many tokens, all maps together are small: one call fetches the rest. */
const FEW_TOKENS = 160;

export class Study {
  readonly #engine: Engine;
  readonly #page: Store;
  readonly #store: TextStore;
  #reading = new AbortController();
  #asking = new AbortController();
  #text = '';
  /** The layer, head and token that are being asked for. */
  #neuron = '';

  constructor(engine: Engine, page: Store, store: TextStore) {
    this.#engine = engine;
    this.#page = page;
    this.#store = store;
  }

  /** The text that was read last; empty before the first. */
  get text(): string {
    return this.#text;
  }

  /** Reads `text`; a newer one overtakes it. Does nothing before the model is there. */
  async read(text: string): Promise<void> {
    const { model } = this.#engine;
    if (!model || text.trim() === '' || text === this.#text) return;
    this.#text = text;
    this.#reading.abort();
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#neuron = '';
    this.#store.update({ busy: 'Reading', pinned: undefined, hovered: undefined, maps: undefined, ...NOT_ASKED });
    await this.#fetch(model);
  }

  /** Sees to it that the maps of `layer` come, if they are not at hand. */
  async need(layer: number): Promise<void> {
    const { model } = this.#engine;
    const { maps } = this.#store.state;
    if (!model || !maps || maps.has(layer)) return;
    this.#reading.abort();
    await this.#fetch(model);
  }

  /** Attention through all layers, once for a text. */
  async roll(): Promise<void> {
    if (this.#store.state.rollout) return;
    await this.#ask('following attention through the layers', async (model, text, signal) => {
      const { data } = await model.attention(text, { reduce: 'rollout', signal });
      return { rollout: data };
    });
  }

  /** What `head` of `layer` computed for the token `query`. The last one asked for wins. */
  async neuron(layer: number, head: number, query: number): Promise<void> {
    const { neuron } = this.#store.state;
    const key = `${layer} ${head} ${query}`;
    if (key === this.#neuron || (neuron && key === `${neuron.layer} ${neuron.head} ${neuron.query}`)) return;
    this.#neuron = key;
    await this.#ask('looking inside the head', async (model, text, signal) => {
      const got = await model.neuron(text, { layer, head, query, signal });
      return key === this.#neuron ? { neuron: { layer, head, query, got } } : {};
    });
    if (key === this.#neuron) this.#neuron = '';
  }

  /** Hides each token in turn, to see how much the text's vector changes. */
  async hide(): Promise<void> {
    await this.#ask('hiding words', async (model, text, signal) => ({ hidden: await model.occlusion(text, { signal }) }));
  }

  /** Asks for what belongs to the text in view; given up when another is read. */
  async #ask(doing: string, work: (model: Model, text: string, signal: AbortSignal) => Promise<Partial<TextState>>): Promise<void> {
    const { model } = this.#engine;
    const text = this.#text;
    if (!model || text === '') return;
    const { signal } = this.#asking;
    try {
      const change = await work(model, text, signal);
      if (text === this.#text) this.#store.update(change);
    } catch (error) {
      if (!isAbort(error)) this.#page.complain(explain(error, doing));
    }
  }

  async #fetch(model: Model): Promise<void> {
    const reading = new AbortController();
    this.#reading = reading;
    const { signal } = reading;
    const { numHiddenLayers: layers, numAttentionHeads: heads } = model.info;
    try {
      // The layer may be changed while others are fetched: what is in view goes first.
      for (let wanted = this.#wanted(layers); wanted.length > 0; wanted = this.#wanted(layers)) {
        const got = await model.attention(this.#text, { layers: wanted, signal });
        if (signal.aborted || got.layout.kind !== 'text') return;
        const known = this.#store.state.maps;
        const maps = known ?? new TextMaps(got.layout, layers, heads);
        maps.add(got);
        const { layer, heads: picked, fetched } = this.#store.state;
        this.#store.update({
          maps, fetched: fetched + 1, busy: undefined, layer: Math.min(layer, layers - 1),
          ...(picked.length > 0 ? {} : { heads: Array.from({ length: heads }, (_, head) => head) }),
        });
      }
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#text = '';
      this.#store.update({ busy: undefined });
      this.#page.complain(explain(error, 'looking at the text'));
    }
  }

  /** The layers to ask for next. */
  #wanted(layers: number): number[] {
    const { maps, layer } = this.#store.state;
    if (!maps) return [Math.min(layer, layers - 1)];
    if (!maps.has(layer)) return [layer];
    const { missing } = maps;
    return maps.tokens <= FEW_TOKENS ? missing : missing.slice(0, 1);
  }
}
