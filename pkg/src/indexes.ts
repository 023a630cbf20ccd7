/** The indexes of one model, in the worker. */
import { contents } from './blobs.js';
import type { Control } from './control.js';
import { HeatseekError } from './errors.js';
import { KeptIndex, filled, placesHere } from './kept-index.js';
import type { Calls } from './protocol.js';
import { guard } from './runtime.js';
import type { IndexMaker } from './wasm-index.js';

type Args<Name extends keyof Calls> = Calls[Name]['args'];
type Answer<Name extends keyof Calls> = Promise<Calls[Name]['result']>;

/** Indexes by number, as the page calls them. */
export class Indexes {
  readonly #indexes = new Map<number, KeptIndex>();
  #next = 1;

  async create({ name, from }: Args<'index-create'>, maker: IndexMaker, control: Control): Answer<'index-create'> {
    const bytes = from && (await contents('from', from));
    const kept =
      name === undefined
        ? new KeptIndex(await filled(maker.fresh(), bytes, control))
        : await KeptIndex.open(name, maker, bytes, await placesHere(), control);
    try {
      const index = this.#next++;
      const answer = { index, documents: kept.index.documents(), keeping: kept.keeping, lost: kept.index.skipped(), warning: kept.index.warning() };
      this.#indexes.set(index, kept);
      return answer;
    } catch (error) {
      kept.close();
      throw error;
    }
  }

  async add({ index, documents, chunk }: Args<'index-add'>, control: Control): Answer<'index-add'> {
    const kept = this.#index(index);
    await guard(() => kept.index.add(documents, chunk || undefined, control));
    await kept.commit();
    return kept.keeping;
  }

  async remove({ index, ids }: Args<'index-remove'>): Answer<'index-remove'> {
    const kept = this.#index(index);
    const count = kept.index.remove(ids);
    await kept.commit();
    return { count, keeping: kept.keeping };
  }

  search({ index, query, settings, rerank }: Args<'index-search'>, control: Control): Answer<'index-search'> {
    return guard(() => this.#index(index).index.search(query, settings, rerank, control));
  }

  facets({ index, fields, filter, top }: Args<'index-facets'>): Calls['index-facets']['result'] {
    return this.#index(index).index.facets(fields, filter, top);
  }

  exported({ index }: Args<'index-export'>): Uint8Array<ArrayBuffer> {
    return this.#index(index).index.exported();
  }

  dispose(index: number): undefined {
    this.#indexes.get(index)?.close();
    this.#indexes.delete(index);
  }

  /** Disposes of all. */
  free(): void {
    for (const index of [...this.#indexes.keys()]) this.dispose(index);
  }

  #index(number: number): KeptIndex {
    const index = this.#indexes.get(number);
    if (!index) throw new HeatseekError('disposed', 'the index was disposed of');
    return index;
  }
}
