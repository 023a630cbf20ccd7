/**
 * What "Compare pooling" asks of the model: the corpus embedded under each pooler, once, and what is found in it. One
 * job runs at a time, and the next is always what the state then lacks: changes need not be queued.
 */

import { createIndex } from 'heatseek';
import type { Index, Model } from 'heatseek';

import type { Engine } from '../engine.ts';
import { explain, isAbort } from '../problems.ts';
import { passageCount } from '../state.ts';
import type { Source, Store } from '../state.ts';
import type { TextLayout } from '../text/maps.ts';
import { labelOf, poolingOf } from './spec.ts';
import type { Spec } from './spec.ts';
import { passageOf, weighedKey } from './state.ts';
import type { Column, CompareStore } from './state.ts';

/** Rankings are compared so deep. */
export const DEPTH = 1000;
/** Embedded corpora that are kept. */
const MOST_INDEXES = 12;
/** Texts whose weights are kept, times poolers. */
const MOST_WEIGHED = 200;
/** Texts whose tokens are kept. */
const MOST_LAYOUTS = 16;
/** What the page begins with: the usual choices, and one to turn knobs at. */
const FIRST: readonly Spec['name'][] = ['auto', 'cls', 'max', 'gem'];

export class Comparison {
  readonly #engine: Engine;
  readonly #page: Store;
  readonly #store: CompareStore;
  /** By pooler, least recently used first; all of the corpus in view. */
  readonly #indexes = new Map<string, Index>();
  readonly #layouts = new Map<string, TextLayout>();
  /** What each column shows: see {@link Comparison.#wanted}. */
  readonly #shown = new Map<number, string>();
  #corpus: readonly Source[] = [];
  #versions = 0;
  #columns = 0;
  #working = { what: '', abort: new AbortController() };
  #running = false;

  constructor(engine: Engine, page: Store, store: CompareStore) {
    this.#engine = engine;
    this.#page = page;
    this.#store = store;
    page.watch(({ sources, indexing, model }) => {
      if (sources !== this.#corpus && indexing === undefined) this.#renew(sources);
      if (model.kind === 'ready' && this.#store.state.poolers.length === 0) void this.#begin();
    });
  }

  add(spec: Spec): void {
    const column: Column = { id: this.#columns++, spec, found: undefined, share: undefined, problem: undefined };
    this.#store.update({ columns: [...this.#store.state.columns, column] });
    this.#go();
  }

  remove(id: number): void {
    this.#shown.delete(id);
    this.#store.update({ columns: this.#store.state.columns.filter((column) => column.id !== id) });
    this.#go();
  }

  /** Moves a column by one place. */
  move(id: number, step: 1 | -1): void {
    const columns = [...this.#store.state.columns];
    const at = columns.findIndex((column) => column.id === id);
    const [column, other] = [columns[at], columns[at + step]];
    if (!column || !other) return;
    [columns[at], columns[at + step]] = [other, column];
    this.#store.update({ columns });
  }

  /** Has a column pool in another way. The others keep what they show. */
  turn(id: number, spec: Spec): void {
    this.#store.change(id, { spec });
    this.#go();
  }

  ask(question: string): void {
    this.#store.update({ question: question.trim() });
    this.#go();
  }

  /** Stops embedding. What is embedded stays, and {@link Comparison.resume} goes on. */
  stop(): void {
    this.#store.update({ stopped: true });
    this.#working.abort.abort();
  }

  resume(): void {
    this.#go();
  }

  /** Weighs the tokens of what is chosen now. */
  look(): void {
    void this.#run();
  }

  async #begin(): Promise<void> {
    const { model } = this.#engine;
    if (!model) return;
    try {
      const poolers = await model.poolers();
      if (this.#store.state.poolers.length > 0) return;
      this.#store.update({ poolers });
      const known = FIRST.filter((first) => first === 'auto' || poolers.some(({ name }) => name === first));
      for (const name of known) this.add({ name, options: {} });
    } catch (error) {
      this.#page.complain(explain(error, 'asking for the poolers'));
    }
  }

  /** Another corpus: what was embedded is of no use. */
  #renew(sources: readonly Source[]): void {
    this.#corpus = sources;
    this.#versions += 1;
    for (const index of this.#indexes.values()) index.dispose();
    this.#indexes.clear();
    const columns = this.#store.state.columns.map((column) => ({ ...column, found: undefined, problem: undefined }));
    this.#store.update({ columns, chosen: undefined });
    this.#go();
  }

  #go(): void {
    if (this.#store.state.stopped) this.#store.update({ stopped: false });
    const embedding = this.#store.state.columns.map(({ spec }) => this.#embedded(spec));
    if (!embedding.includes(this.#working.what)) this.#working.abort.abort();
    void this.#run();
  }

  /** What is embedded for a pooler: another name, another corpus. */
  #embedded(spec: Spec): string {
    return `${this.#versions} ${labelOf(spec)}`;
  }

  /** What a column should show. */
  #wanted({ spec }: Column): string {
    return `${this.#embedded(spec)}\n${this.#store.state.question}`;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let job = this.#next(); job; job = this.#next()) await job();
    this.#running = false;
  }

  /** What is to be done next: what is found comes before what is weighed. */
  #next(): (() => Promise<void>) | undefined {
    const { columns, question, chosen, stopped, weighed } = this.#store.state;
    const { model } = this.#engine;
    if (!model || stopped || question === '' || passageCount(this.#page.state) === 0 || this.#page.state.indexing) return undefined;
    const column = columns.find((one) => this.#shown.get(one.id) !== this.#wanted(one));
    if (column) return () => this.#find(model, column);
    for (const text of [question, ...(chosen ? [chosen.chunk.text] : [])]) {
      const found = columns.find(({ spec, problem }) => !problem && !weighed.has(weighedKey(labelOf(spec), text)));
      if (found) return () => this.#weigh(model, found.spec, text);
    }
    return undefined;
  }

  async #find(model: Model, column: Column): Promise<void> {
    const { id, spec } = column;
    const working = { what: this.#embedded(spec), abort: new AbortController() };
    this.#working = working;
    const { signal } = working.abort;
    try {
      const index = await this.#index(model, column, signal);
      // It may be another by now.
      const { question } = this.#store.state;
      const wanted = this.#wanted(column);
      const hits = await index.search(question, { topK: DEPTH, signal });
      if (signal.aborted) return;
      this.#shown.set(id, wanted);
      this.#store.change(id, { found: { question, label: labelOf(spec), hits, ranking: hits.map(passageOf) }, share: undefined, problem: undefined });
    } catch (error) {
      this.#store.change(id, { share: undefined });
      if (isAbort(error) || signal.aborted) return;
      this.#shown.set(id, this.#wanted(column));
      this.#store.change(id, { found: undefined, problem: explain(error, `pooling by ${labelOf(spec)}`) });
    }
  }

  async #index(model: Model, { id, spec }: Column, signal: AbortSignal): Promise<Index> {
    // The search view has embedded all text under the model's own pooling.
    if (spec.name === 'auto' && this.#engine.index) return this.#engine.index;
    const label = labelOf(spec);
    const kept = this.#indexes.get(label);
    if (kept) {
      this.#indexes.delete(label);
      this.#indexes.set(label, kept);
      return kept;
    }
    this.#store.change(id, { share: 0, problem: undefined });
    const index = await createIndex({ model, pooling: poolingOf(spec) });
    try {
      // Cut as in the collection, so that passages are the same in every column.
      for (const markdown of [false, true]) {
        const sources = this.#corpus.filter((source) => source.markdown === markdown);
        const documents = sources.flatMap(({ documentIds, texts }) =>
          documentIds.map((documentId, at) => ({ id: documentId, text: texts[at] ?? '' })));
        if (documents.length === 0) continue;
        await index.add(documents, {
          chunk: { markdown },
          signal,
          onProgress: ({ stage, loaded, total }) => {
            if (stage === 'index' && total > 0 && !signal.aborted) this.#store.change(id, { share: loaded / total });
          },
        });
      }
      // Between the last passage and its answer the corpus may have become another.
      signal.throwIfAborted();
    } catch (error) {
      index.dispose();
      throw error;
    }
    this.#indexes.set(label, index);
    this.#forget();
    return index;
  }

  /** Lets go of what was used longest ago, if there is too much. */
  #forget(): void {
    const inUse = new Set(this.#store.state.columns.map(({ spec }) => labelOf(spec)));
    for (const [label, index] of this.#indexes) {
      if (this.#indexes.size <= MOST_INDEXES) return;
      if (inUse.has(label)) continue;
      index.dispose();
      this.#indexes.delete(label);
    }
  }

  async #weigh(model: Model, spec: Spec, text: string): Promise<void> {
    const label = labelOf(spec);
    const keep = (layout: TextLayout, weights: Float32Array | undefined): void => {
      const { weighed } = this.#store.state;
      const kept = weighed.size >= MOST_WEIGHED ? [] : weighed;
      this.#store.update({ weighed: new Map([...kept, [weighedKey(label, text), { layout, weights }]]) });
    };
    try {
      const layout = await this.#layout(model, text);
      const { weights } = await model.embed(text, { pooling: poolingOf(spec), weights: true });
      keep(layout, weights?.[0]);
    } catch (error) {
      keep({ kind: 'text', text, tokens: [] }, undefined);
      this.#page.complain(explain(error, `weighing tokens by ${label}`));
    }
  }

  /** The tokens of a text. */
  async #layout(model: Model, text: string): Promise<TextLayout> {
    const kept = this.#layouts.get(text);
    if (kept) return kept;
    const { layout } = await model.attention(text, { layers: [0], heads: [0] });
    if (layout.kind !== 'text') throw new TypeError('the layout of a text is not one of a text');
    if (this.#layouts.size >= MOST_LAYOUTS) this.#layouts.clear();
    this.#layouts.set(text, layout);
    return layout;
  }
}
