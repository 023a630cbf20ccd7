import type { Client } from './client.js';
import { bytes, choice, count, flag, invalid, options as checked } from './coerce.js';
import { chunking, coerceDocument } from './documents.js';
import { HeatseekError } from './errors.js';
import { Model } from './model.js';
import { pooling } from './pooling.js';
import { defined, follow } from './settings.js';
import type {
  AddOptions, Document, DocumentInput, Hit, IndexOptions, Metric, ModelInfo, SearchOptions,
} from './types.js';

const METRICS: readonly Metric[] = ['cosine', 'dot'];

/**
 * Makes an empty index that searches by meaning. A model may have several; they end with it.
 *
 * @param options `model`: the model that embeds documents and queries; `metric`: how vectors are compared; how they
 *   are made: `pooling`, `poolingWeights`, `includePrompt`, `truncateDim`, `late`
 *
 * @example
 * const index = await createIndex({ model });
 * await index.add(['Bees dance to tell where flowers are.', 'Bread rises because yeast makes gas.']);
 * const [best] = await index.search('how do bees navigate');
 */
export async function createIndex(options: IndexOptions & { readonly model: Model }): Promise<Index> {
  const given = checked('createIndex', options, [
    'model', 'metric', 'pooling', 'poolingWeights', 'includePrompt', 'truncateDim', 'late',
  ]);
  if (!(given.model instanceof Model)) throw invalid('model', given.model, 'a model made by load()');
  const settings = {
    metric: choice('metric', given.metric, METRICS, 'cosine'),
    pooling: pooling(given.pooling),
    late: flag('late', given.late, false),
    ...defined({
      poolingWeights: bytes('poolingWeights', given.poolingWeights),
      includePrompt: flag('includePrompt', given.includePrompt, undefined),
      truncateDim: count('truncateDim', given.truncateDim, 1, undefined),
    }),
  };
  const { client, info } = given.model;
  const { index, warning } = await client.call('index-create', { settings });
  given.model.warn(warning);
  return new Index(client, index, info);
}

/** Documents found by meaning. Made by `createIndex`. */
export class Index {
  readonly #client: Client;
  readonly #index: number;
  readonly #info: ModelInfo;
  readonly #documents = new Map<string, Document>();
  #named = 0;
  #disposed = false;

  /** @internal */
  constructor(client: Client, index: number, info: ModelInfo) {
    this.#client = client;
    this.#index = index;
    this.#info = info;
  }

  /** Documents in the index. */
  get size(): number {
    return this.#documents.size;
  }

  /**
   * Embeds documents and adds them. If that fails or is aborted, none of them is in the index.
   *
   * @param documents one document or several: texts, or objects with `text`, an optional `id` and optional
   *   `metadata`. One with an id that the index has already replaces the earlier; the same id twice in one call
   *   is an `invalid_input` error.
   * @param options how to cut documents into chunks; how to follow and stop it
   * @returns their ids, in order
   */
  async add(documents: DocumentInput | readonly DocumentInput[], options?: AddOptions): Promise<string[]> {
    const given = checked('add', options, ['chunk', 'signal', 'onProgress']);
    const following = follow(given);
    const chunk = given.chunk !== false && chunking(given.chunk, this.#info);
    this.#check();
    const added = this.#coerce(documents);
    // Held at once, so that a second call made meanwhile does not give their ids away.
    for (const document of added) this.#documents.set(document.id, document);
    try {
      const texts = added.map(({ id, text }) => ({ id, text }));
      await this.#client.call('index-add', { index: this.#index, documents: texts, chunk }, following);
    } catch (error) {
      this.#withdraw(added);
      throw error;
    }
    return added.map(({ id }) => id);
  }

  /**
   * Finds the passages closest in meaning to `query`, best first; equal scores in the order they were added.
   *
   * @param query what to look for
   * @param options `topK`: the most hits; `rerank`: a second stage
   * @returns at most one hit per chunk, so a document may be found several times
   */
  async search(query: string, options?: SearchOptions): Promise<Hit[]> {
    const given = checked('search', options, ['topK', 'rerank', 'signal', 'onProgress']);
    const following = follow(given);
    if (typeof query !== 'string') throw invalid('query', query, 'a string');
    const topK = count('topK', given.topK, 1, 10);
    const rerank = bytes('rerank', given.rerank);
    this.#check();
    const hits = await this.#client.call('index-search', { index: this.#index, query, topK, rerank }, following);
    return hits.flatMap(({ id, score, chunk }) => {
      const document = this.#documents.get(id);
      // A document removed while the answer was on its way is no hit any more.
      return document === undefined ? [] : [{ id, score, document, chunk }];
    });
  }

  /**
   * Takes documents out.
   *
   * @param ids one id or several; those the index does not have are ignored
   * @returns how many there were
   */
  async remove(ids: string | readonly string[]): Promise<number> {
    const list = typeof ids === 'string' ? [ids] : ids;
    if (!Array.isArray(list)) throw invalid('ids', ids, 'an id or an array of ids');
    list.forEach((id: unknown, at) => {
      if (typeof id !== 'string') throw invalid(`ids[${at}]`, id, 'a string');
    });
    this.#check();
    const count = await this.#client.call('index-remove', { index: this.#index, ids: [...list] });
    for (const id of list) this.#documents.delete(id);
    return count;
  }

  /** Frees the index. Later calls reject with code `disposed`. Doing it twice does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#documents.clear();
    // If the model has ended, so has the index: there is nobody to tell, and nothing to complain about.
    this.#client.call('index-dispose', { index: this.#index }).catch(() => {});
  }

  /** As {@link Index.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Takes out what an add that failed had got in, unless it has been replaced since. */
  #withdraw(added: readonly Document[]): void {
    const ids = added.filter((document) => this.#documents.get(document.id) === document).map(({ id }) => id);
    for (const id of ids) this.#documents.delete(id);
    // If the engine has ended there is nothing to take out.
    this.#client.call('index-remove', { index: this.#index, ids }).catch(() => {});
  }

  #check(): void {
    if (this.#disposed) throw new HeatseekError('disposed', 'the index was disposed of');
  }

  #coerce(documents: DocumentInput | readonly DocumentInput[]): Document[] {
    const list = Array.isArray(documents) ? (documents as readonly DocumentInput[]) : [documents as DocumentInput];
    const taken = new Set(list.flatMap((item) => (item as { id?: string } | null)?.id ?? []));
    const seen = new Set<string>();
    return Array.from(list, (item, at) => {
      const document = coerceDocument(item, `documents[${at}]`, () => this.#freeId(taken));
      if (seen.has(document.id)) throw invalid(`documents[${at}].id`, document.id, 'an id that no other one has');
      seen.add(document.id);
      return document;
    });
  }

  #freeId(taken: ReadonlySet<string>): string {
    let id: string;
    do id = String(this.#named++);
    while (this.#documents.has(id) || taken.has(id));
    return id;
  }
}
