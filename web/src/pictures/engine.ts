/** The models of the picture views: loaded when one is first opened, each in a worker of its own. */

import { load } from 'heatseek';
import type { Model } from 'heatseek';

import type { Running } from '../engine.ts';
import { explain } from '../problems.ts';
import type { ModelState, Store } from '../state.ts';
import { Finder } from './find.ts';
import { Looker } from './look.ts';
import { presentSamples } from './samples.ts';
import { PictureStore } from './state.ts';

const DEFAULT_MODEL = 'models/dinov2-small/';

let shared: PictureEngine | undefined;

/** The one that both picture views use. `?pictures=URL` chooses its model. */
export function pictureEngine(page: Store, running: Running): PictureEngine {
  const asked = new URLSearchParams(location.search).get('pictures');
  shared ??= new PictureEngine(page, { model: asked ?? new URL(DEFAULT_MODEL, document.baseURI).href, running });
  shared.open();
  return shared;
}

interface PictureSettings {
  readonly model: string;
  readonly running: Running;
}

/** Families whose other half reads words. */
const WITH_WORDS = /clip|siglip/;

export class PictureEngine {
  readonly looker: Looker;
  readonly finder: Finder;
  readonly store = new PictureStore();
  readonly #settings: PictureSettings;
  readonly #models: { [Half in 'image' | 'text']?: Promise<Model | undefined> } = {};
  #loading = new AbortController();
  #opened = false;

  constructor(page: Store, settings: PictureSettings) {
    this.#settings = settings;
    this.looker = new Looker(page, this.store, () => this.pictures());
    this.finder = new Finder(page, this.store, () => this.pictures(), () => this.words());
  }

  /** A picture view is open: what it needs is fetched, once. */
  open(): void {
    if (this.#opened) return;
    this.#opened = true;
    void presentSamples().then((samples) => this.store.update({ samples }));
    this.load();
  }

  load(): void {
    void this.pictures().then(() => this.looker.resume());
  }

  cancelLoading(): void {
    this.#loading.abort();
  }

  /** The model that reads pictures; nothing if it could not be loaded, which the state tells. */
  pictures(): Promise<Model | undefined> {
    return (this.#models.image ??= this.#load('image', (model) => this.store.update({ model })));
  }

  /** Its half that reads words; nothing if it has none. */
  async words(): Promise<Model | undefined> {
    const pictures = await this.pictures();
    if (!pictures || !WITH_WORDS.test(pictures.info.modelType)) return undefined;
    return (this.#models.text ??= this.#load('text', (words) => this.store.update({ words })));
  }

  async #load(input: 'image' | 'text', show: (state: ModelState) => void): Promise<Model | undefined> {
    this.#loading = new AbortController();
    show({ kind: 'loading', progress: undefined });
    try {
      const model = await load(this.#settings.model, {
        input,
        ...this.#settings.running,
        signal: this.#loading.signal,
        onProgress: (progress) => {
          if (progress.stage !== 'cache-full') show({ kind: 'loading', progress });
        },
      });
      show({ kind: 'ready', info: model.info });
      return model;
    } catch (error) {
      delete this.#models[input];
      show({ kind: 'failed', problem: explain(error, 'loading the model of pictures') });
      return undefined;
    }
  }
}
