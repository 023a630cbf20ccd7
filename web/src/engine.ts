/** What the page does: loads the model, keeps collections, searches. Views call it and watch the store. */

import { load } from 'heatseek';
import type { Index, Model } from 'heatseek';

import { Collections } from './collections/collections.ts';
import { Intake } from './collections/intake.ts';
import type { Asked } from './finding/address.ts';
import { filterOf } from './finding/settings.ts';
import type { Settings } from './finding/settings.ts';
import { explain, isAbort } from './problems.ts';
import { offerQuestions } from './sample.ts';
import { NO_SEARCH, passageCount } from './state.ts';
import type { Store } from './state.ts';

export interface EngineSettings {
  readonly model: string;
  readonly device: 'auto' | 'cpu' | 'gpu';
  readonly dtype: 'auto' | 'f32' | 'f16' | 'int8';
}

/** Where models run, and what they are stored as. */
export type Running = Pick<EngineSettings, 'device' | 'dtype'>;

export class Engine {
  /** The collections that are kept, and which is in view. */
  readonly collections: Collections;
  /** What comes into it. */
  readonly intake: Intake;
  readonly #store: Store;
  readonly #settings: EngineSettings;
  #model: Model | undefined;
  #loading = new AbortController();
  #searching = new AbortController();
  /** The question in the box, which may have been typed before there was anything to search. */
  #question = '';
  #beginning: Promise<void> = Promise.resolve();

  constructor(store: Store, settings: EngineSettings) {
    this.#store = store;
    this.#settings = settings;
    this.collections = new Collections(store, {
      model: () => this.#model,
      pause: () => this.intake.pause(),
      changed: (opened) => void this.#changed(opened),
    });
    this.intake = new Intake(store, this.collections, () => void this.loadModel());
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

  /** The text of the collection in view, under the model's own pooling; undefined before there is any. */
  get index(): Index | undefined {
    return this.collections.index;
  }

  /** Puts a collection in view. To be called once, first of all. */
  begin(asked: Asked | undefined): void {
    this.#question = asked?.query ?? '';
    this.#beginning = this.collections.begin(asked);
    // The tab that had it may have been closed.
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.#store.state.collection.kind === 'failed') void this.collections.open();
    });
  }

  async loadModel(): Promise<void> {
    const store = this.#store;
    if (store.state.model.kind === 'loading' || store.state.model.kind === 'ready') return;
    this.#loading = new AbortController();
    store.update({ model: { kind: 'loading', progress: undefined } });
    try {
      this.#model = await load(this.#settings.model, {
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
      store.update({ model: { kind: 'ready', info: this.#model.info } });
    } catch (error) {
      store.update({ model: { kind: 'failed', problem: explain(error, 'loading the model') } });
      return;
    }
    await this.#beginning;
    await this.collections.open();
    // Into one that is new; what was left for another goes on when that is opened.
    if (store.state.collection.kind === 'new') await this.intake.resume();
  }

  cancelLoading(): void {
    this.#loading.abort();
  }

  /** Changes how to search, and answers again. */
  async set(settings: Partial<Settings>): Promise<void> {
    this.#store.update({ settings: { ...this.#store.state.settings, ...settings } });
    await Promise.all([this.search(this.#question), this.#count()]);
  }

  /** Answers `query`; a newer question overtakes an older one that is still being answered. */
  async search(query: string): Promise<void> {
    const store = this.#store;
    const asked = query.trim();
    this.#question = asked;
    this.#searching.abort();
    const { index } = this;
    if (asked === '' || !index || passageCount(store.state) === 0) {
      store.update({ search: NO_SEARCH });
      return;
    }
    const searching = new AbortController();
    this.#searching = searching;
    store.update({ search: { ...store.state.search, busy: true } });
    const started = performance.now();
    try {
      const { topK, words } = store.state.settings;
      const fused = words > 0;
      const hits = await index.search(asked, {
        topK,
        filter: filterOf(store.state.settings),
        // Scores, so that the slider moves them by degrees.
        hybrid: fused ? { weight: words, fusion: 'scores' } : false,
        signal: searching.signal,
      });
      this.#refresh();
      if (searching !== this.#searching) return;
      store.update({ search: { busy: false, asked, hits, fused, ms: performance.now() - started } });
    } catch (error) {
      // Closed, if another collection was chosen meanwhile.
      if (isAbort(error) || searching !== this.#searching || index !== this.index) return;
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

  async #changed(opened: boolean): Promise<void> {
    if (opened) void offerQuestions(this.#store);
    await this.#count();
    if (this.#store.state.collection.kind === 'open') await this.search(this.#question);
    if (opened) await this.intake.resume();
  }

  async #count(): Promise<void> {
    try {
      await this.collections.countFacets();
    } catch (error) {
      // The collection was closed meanwhile.
      if ((error as { code?: string }).code !== 'disposed') this.#store.complain(explain(error, 'counting files'));
    }
  }
}
