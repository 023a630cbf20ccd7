/** What "Find pictures" does: takes pictures in, embeds them in batches, and ranks them by how alike they are. */

import type { Model } from 'heatseek';

import { explain, isAbort } from '../problems.ts';
import type { Problem, Store } from '../state.ts';
import { isProblem, thumbnailed } from './files.ts';
import { patchHeat } from './patches.ts';
import type { Asked, FindState, Item, Match, PictureStore } from './state.ts';

/** Small enough to show progress and stop soon, large enough to keep a device busy. */
const BATCH = 8;
/** Heat costs a pass through the model for each picture: only those that are looked at first get it. */
const WITH_HEAT = 12;

export class Finder {
  readonly #page: Store;
  readonly #store: PictureStore;
  readonly #pictures: () => Promise<Model | undefined>;
  readonly #words: () => Promise<Model | undefined>;
  #adding = new AbortController();
  #asking = new AbortController();
  #query: Float32Array | undefined;
  #count = 0;

  constructor(page: Store, store: PictureStore, pictures: () => Promise<Model | undefined>, words: () => Promise<Model | undefined>) {
    this.#page = page;
    this.#store = store;
    this.#pictures = pictures;
    this.#words = words;
  }

  get #state(): FindState {
    return this.#store.state.finding;
  }

  /** Takes files in; those that are no pictures are named and left out. */
  async add(files: readonly File[]): Promise<void> {
    this.#adding.abort();
    const adding = new AbortController();
    this.#adding = adding;
    this.#set({ skipped: [] });
    for (const [at, file] of files.entries()) {
      if (adding.signal.aborted) return;
      this.#set({ busy: { doing: 'Opening pictures', share: at / files.length } });
      const opened = await thumbnailed(file, file.name);
      if (isProblem(opened)) this.#skip(opened);
      else this.#set({ items: [...this.#state.items, { ...opened, id: `picture-${this.#count++}`, vector: undefined }] });
    }
    await this.#embedAll(adding);
  }

  /** Goes on with pictures that have no vector yet. */
  async resume(): Promise<void> {
    if (this.#state.busy || this.#state.items.every(({ vector }) => vector)) return;
    this.#adding = new AbortController();
    await this.#embedAll(this.#adding);
  }

  cancel(): void {
    this.#adding.abort();
    this.#set({ busy: undefined });
  }

  remove(id: string): void {
    const removed = this.#state.items.find((item) => item.id === id);
    if (!removed) return;
    URL.revokeObjectURL(removed.thumbnail);
    this.#set({
      items: this.#state.items.filter((item) => item !== removed),
      matches: this.#state.matches.filter(({ item }) => item.id !== id),
    });
  }

  clear(): void {
    this.cancel();
    this.forget();
    for (const { thumbnail } of this.#state.items) URL.revokeObjectURL(thumbnail);
    this.#set({ items: [], skipped: [] });
  }

  /** Back from an answer to all pictures. */
  forget(): void {
    this.#asking.abort();
    this.#query = undefined;
    this.#free();
    this.#set({ asked: undefined, matches: [] });
  }

  /** Ranks by likeness to a picture of the list. */
  async like(id: string): Promise<void> {
    const item = this.#state.items.find((other) => other.id === id);
    if (item?.vector) await this.#ask({ kind: 'picture', name: item.name, thumbnail: item.thumbnail }, async () => item.vector);
  }

  /** Ranks by likeness to a picture from elsewhere, which is not taken in. */
  async likeFile(file: File): Promise<void> {
    const opened = await thumbnailed(file, file.name);
    if (isProblem(opened)) {
      this.#page.complain(opened);
      return;
    }
    const asked = { kind: 'picture', name: file.name, thumbnail: opened.thumbnail } as const;
    await this.#ask(asked, async (signal) => {
      const model = await this.#pictures();
      return model && (await model.embed([file], { normalize: true, signal })).data;
    });
  }

  /** Ranks by likeness to words. */
  async words(text: string): Promise<void> {
    if (text.trim() === '') return this.forget();
    await this.#ask({ kind: 'words', text }, async (signal) => {
      const model = await this.#words();
      return model && (await model.embed([text], { normalize: true, signal })).data;
    });
  }

  async #ask(asked: Asked, vector: (signal: AbortSignal) => Promise<Float32Array | undefined>): Promise<void> {
    this.#asking.abort();
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const query = await vector(asking.signal);
      if (!query || asking.signal.aborted) return;
      this.#free();
      this.#query = query;
      this.#set({ asked, matches: this.#rank(query) });
      await this.#heat(query, asking.signal);
    } catch (error) {
      if (!isAbort(error)) this.#page.complain(explain(error, 'searching the pictures'));
    }
  }

  /** A small copy of a picture from elsewhere is freed with its question; those of the list live on. */
  #free(): void {
    const { asked, items } = this.#state;
    if (asked?.kind === 'picture' && !items.some(({ thumbnail }) => thumbnail === asked.thumbnail)) URL.revokeObjectURL(asked.thumbnail);
  }

  #rank(query: Float32Array): Match[] {
    const matches = this.#state.items.flatMap((item) =>
      item.vector ? [{ item, score: dot(query, item.vector), heat: undefined }] : [],
    );
    return matches.sort((a, b) => b.score - a.score);
  }

  /** Where the first pictures are like what was asked, one after another. */
  async #heat(query: Float32Array, signal: AbortSignal): Promise<void> {
    const model = await this.#pictures();
    for (const { item } of model ? this.#state.matches.slice(0, WITH_HEAT) : []) {
      if (!model || signal.aborted) return;
      const heat = await patchHeat(model, query, item.blob, signal);
      if (signal.aborted) return;
      this.#set({ matches: this.#state.matches.map((match) => (match.item.id === item.id ? { ...match, heat } : match)) });
    }
  }

  async #embedAll(adding: AbortController): Promise<void> {
    const model = await this.#pictures();
    const waiting = this.#state.items.filter(({ vector }) => !vector);
    for (let at = 0; model && at < waiting.length && !adding.signal.aborted; at += BATCH) {
      this.#set({ busy: { doing: 'Reading pictures', share: at / waiting.length } });
      await this.#embed(model, waiting.slice(at, at + BATCH), adding.signal);
    }
    if (adding.signal.aborted) return;
    this.#set({ busy: undefined });
    // What has been asked is asked of the new pictures too.
    const { asked } = this.#state;
    const query = this.#query;
    if (asked && query) await this.#ask(asked, async () => query);
  }

  async #embed(model: Model, items: readonly Item[], signal: AbortSignal): Promise<void> {
    try {
      const { data, shape: [, width] } = await model.embed(items.map(({ blob }) => blob), { normalize: true, signal });
      const vectors = new Map(items.map(({ id }, at) => [id, data.subarray(at * width, (at + 1) * width)]));
      this.#set({ items: this.#state.items.map((item) => ({ ...item, vector: vectors.get(item.id) ?? item.vector })) });
    } catch (error) {
      const [first] = items;
      if (isAbort(error) || !first) return;
      // One bad picture must not cost the others: each is tried alone.
      if (items.length > 1) for (const item of items) await this.#embed(model, [item], signal);
      else {
        this.remove(first.id);
        this.#skip(explain(error, `reading “${first.name}”`));
      }
    }
  }

  #skip(problem: Problem): void {
    this.#set({ skipped: [...this.#state.skipped, problem] });
  }

  #set(change: Partial<FindState>): void {
    this.#store.update({ finding: { ...this.#state, ...change } });
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}
