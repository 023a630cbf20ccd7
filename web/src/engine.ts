/** What the page does: loads the model, indexes text, searches. Views call it and watch the store. */

import { createIndex, load } from 'heatseek';
import type { Index, Model } from 'heatseek';

import { explain, isAbort } from './problems.ts';
import { NO_SEARCH, passageCount } from './state.ts';
import type { Store } from './state.ts';

export interface EngineSettings {
  readonly model: string;
  readonly device: 'auto' | 'cpu' | 'gpu';
  readonly dtype: 'auto' | 'f32' | 'f16' | 'int8';
}

/** Where models run, and what they are stored as. */
export type Running = Pick<EngineSettings, 'device' | 'dtype'>;

export interface NewDocument {
  readonly id?: string;
  readonly text: string;
}

export class Engine {
  readonly #store: Store;
  readonly #settings: EngineSettings;
  #model: Model | undefined;
  #index: Index | undefined;
  #loading = new AbortController();
  #adding = new AbortController();
  #searching = new AbortController();
  #sources = 0;
  #waiting: { name: string; documents: readonly NewDocument[] }[] = [];
  #busy = false;

  constructor(store: Store, settings: EngineSettings) {
    this.#store = store;
    this.#settings = settings;
  }

  /** Where models run and what they are stored as: so it is with the page's other models too. */
  get running(): Running {
    const { device, dtype } = this.#settings;
    return { device, dtype };
  }

  /** The text model, once it is loaded. */
  get model(): Model | undefined {
    return this.#model;
  }

  /** The text that was added, under the model's own pooling; there once the model is. */
  get index(): Index | undefined {
    return this.#index;
  }

  async loadModel(): Promise<void> {
    const store = this.#store;
    if (store.state.model.kind === 'loading' || store.state.model.kind === 'ready') return;
    this.#loading = new AbortController();
    store.update({ model: { kind: 'loading', progress: undefined } });
    try {
      const model = await load(this.#settings.model, {
        ...this.running,
        signal: this.#loading.signal,
        onProgress: (progress) => {
          if (progress.stage === 'cache-full') {
            store.complain({
              title: 'The browser has no room to keep the model',
              advice: 'It works now, and will be downloaded again next time.',
            });
          } else if (store.state.model.kind === 'loading') {
            store.update({ model: { kind: 'loading', progress } });
          }
        },
      });
      this.#model = model;
      this.#index = await createIndex({ model });
      store.update({ model: { kind: 'ready', info: model.info } });
    } catch (error) {
      this.#model?.dispose();
      this.#model = undefined;
      store.update({ model: { kind: 'failed', problem: explain(error, 'loading the model') } });
      return;
    }
    await this.#drain();
  }

  cancelLoading(): void {
    this.#loading.abort();
  }

  /** Queues documents under one name; they are indexed once the model is there, one source after another. */
  async add(name: string, documents: readonly NewDocument[]): Promise<void> {
    this.#waiting.push({ name, documents });
    this.#announceWaiting();
    if (this.#store.state.model.kind === 'idle') void this.loadModel();
    await this.#drain();
  }

  /** Stops the source that is being indexed, and forgets those that wait behind it. */
  cancelAdding(): void {
    this.#waiting = [];
    this.#adding.abort();
    if (!this.#busy) this.#store.update({ indexing: undefined });
  }

  async remove(sourceId: string): Promise<void> {
    const store = this.#store;
    const source = store.state.sources.find(({ id }) => id === sourceId);
    if (!source) return;
    store.update({ sources: store.state.sources.filter((other) => other !== source) });
    try {
      await this.#index?.remove(source.documentIds);
    } catch (error) {
      store.complain(explain(error, `removing “${source.name}”`));
    }
    await this.search(store.state.search.asked);
  }

  async clear(): Promise<void> {
    const ids = this.#store.state.sources.flatMap(({ documentIds }) => documentIds);
    this.#store.update({ sources: [], search: NO_SEARCH, suggestions: [] });
    try {
      await this.#index?.remove(ids);
    } catch (error) {
      this.#store.complain(explain(error, 'clearing the text'));
    }
  }

  /** Answers `query`; a newer question overtakes an older one that is still being answered. */
  async search(query: string): Promise<void> {
    const store = this.#store;
    const asked = query.trim();
    this.#searching.abort();
    if (asked === '' || !this.#index || passageCount(store.state) === 0) {
      store.update({ search: NO_SEARCH });
      return;
    }
    const searching = new AbortController();
    this.#searching = searching;
    store.update({ search: { ...store.state.search, busy: true } });
    const started = performance.now();
    try {
      const { topK } = store.state;
      const hits = await this.#index.search(asked, { topK, signal: searching.signal });
      this.#refresh();
      if (searching !== this.#searching) return;
      store.update({ search: { busy: false, asked, hits, ms: performance.now() - started } });
    } catch (error) {
      if (isAbort(error) || searching !== this.#searching) return;
      store.update({ search: NO_SEARCH });
      store.complain(explain(error, 'searching'));
    }
  }

  /** A GPU may be lost in any call, and the CPU take over: the page says where it runs now. */
  #refresh(): void {
    const info = this.#model?.info;
    const { model } = this.#store.state;
    if (info && model.kind === 'ready' && model.info !== info) this.#store.update({ model: { kind: 'ready', info } });
  }

  async #drain(): Promise<void> {
    if (this.#busy || !this.#index) return;
    this.#busy = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      await this.#addNow(this.#index, next.name, next.documents);
    }
    this.#busy = false;
    this.#store.update({ indexing: undefined });
  }

  async #addNow(index: Index, name: string, documents: readonly NewDocument[]): Promise<void> {
    const store = this.#store;
    this.#adding = new AbortController();
    const started = performance.now();
    let passages = documents.length;
    const show = (loaded: number, total: number): void => {
      const seconds = (performance.now() - started) / 1000;
      // The first moments say little about the speed of the rest.
      const perSecond = loaded > 0 && seconds > 0.2 ? loaded / seconds : undefined;
      store.update({ indexing: { name, loaded, total, perSecond, waiting: this.#waiting.length } });
    };
    show(0, 0);
    try {
      const documentIds = await index.add(documents, {
        signal: this.#adding.signal,
        onProgress: ({ stage, loaded, total }) => {
          if (stage !== 'index') return;
          passages = total;
          show(loaded, total);
        },
      });
      this.#refresh();
      const texts = documents.map(({ text }) => text);
      const source = { id: `source-${this.#sources++}`, name, documentIds, texts, passages };
      store.update({ sources: [...store.state.sources, source] });
    } catch (error) {
      if (!isAbort(error)) store.complain(explain(error, `indexing “${name}”`));
    }
  }

  #announceWaiting(): void {
    const [first] = this.#waiting;
    if (this.#busy || !first) return;
    const waiting = this.#waiting.length - 1;
    this.#store.update({ indexing: { name: first.name, loaded: 0, total: 0, perSecond: undefined, waiting } });
  }
}
