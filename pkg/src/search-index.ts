import { bytes, count, flag, invalid, options as checked, signal, texts } from './coerce.js';
import { chunking, coerceDocument, indexed } from './documents.js';
import { HeatseekError } from './errors.js';
import type { Keeping } from './kept-index.js';
import type { Model } from './model.js';
import type { IndexSettings, RawHit } from './protocol.js';
import { filter as coerceFilter, searchSettings } from './search-settings.js';
import { defined, follow } from './settings.js';
import type {
  AddOptions, Document, DocumentInput, Explanation, Facet, FacetOptions, Hit, Persisted, SearchOptions, StopOptions,
} from './types.js';

/** As many values of a field as people look at. */
const FACET_VALUES = 100;

const stopping = (what: string, options: StopOptions | undefined) => signal('signal', checked(what, options, ['signal']).signal);

/** Documents found by meaning. Made by `createIndex`. */
export class Index {
  /** The name it is kept under; undefined of one that is not. */
  readonly name: string | undefined;
  /**
   * What `recover` gave up to open it: the damaged file, and how many documents its last change had added and removed. Empty
   * unless it was asked for and needed.
   */
  readonly lost: readonly string[];
  readonly #model: Model;
  readonly #index: number;
  readonly #settings: IndexSettings;
  readonly #documents: Map<string, Document>;
  /** Ids that calls under way have given. */
  readonly #given = new Set<string>();
  #keeping: Keeping;
  #gpuBytes = 0;
  #named = 0;
  #disposed = false;

  /** @internal */
  constructor(
    model: Model,
    { index, settings, name, lost }: {
      readonly index: number; readonly settings: IndexSettings; readonly name?: string; readonly lost: readonly string[];
    },
    documents: readonly Document[],
    keeping: Keeping,
  ) {
    this.#model = model;
    this.#index = index;
    this.#settings = settings;
    this.name = name;
    this.lost = lost;
    this.#documents = new Map(documents.map((document) => [document.id, document]));
    this.#keeping = keeping;
    model.warn(keeping.warning);
  }

  /** Documents in the index. */
  get size(): number {
    return this.#documents.size;
  }

  /**
   * Where the index is kept. One with a name that says `memory` could not be stored, as where the browser has no room or
   * keeps nothing: `warning` says why, and the console has said it too. It works all the same until the page is closed;
   * what was stored before is still there. After every `add` and `remove` it may be another.
   */
  get persisted(): Persisted {
    return this.#keeping.persisted;
  }

  /** Why an index with a name is not stored, or not all of it. */
  get warning(): string | undefined {
    return this.#keeping.warning;
  }

  /** Bytes of its vectors that are on the GPU, as of the last search; 0 while the CPU compares them. See {@link ScanOn}. */
  get gpuBytes(): number {
    return this.#gpuBytes;
  }

  /** The ids of all documents, in the order they were added. */
  ids(): string[] {
    return [...this.#documents.keys()];
  }

  /** Whether there is a document of this id. */
  has(id: string): boolean {
    return this.#documents.has(id);
  }

  /** The document of this id; undefined if there is none. */
  get(id: string): Document | undefined {
    return this.#documents.get(id);
  }

  /**
   * Embeds documents and adds them, all or none: if it fails or is aborted, the index is as it was. An abort that comes
   * when they are being stored already is too late, and is not heard. Of an index with a name they are on the disk then.
   *
   * @param documents one document or several: texts, or objects with `text`, an optional `id` and optional
   *   `metadata`. One with an id that the index has already replaces the earlier; the same id twice in one call
   *   is an `invalid_input` error.
   * @param options how to cut documents into chunks; how to follow and stop it
   * @returns their ids, in order
   */
  async add(documents: DocumentInput | readonly DocumentInput[], options?: AddOptions): Promise<string[]> {
    const given = checked('add', options, ['chunk', 'signal', 'onProgress']);
    const following = { ...follow(given), settled: true };
    const chunk = given.chunk !== false && chunking(given.chunk, this.#model.info);
    this.#check();
    const added = this.#coerce(documents);
    const posted = added.map((document, at) => indexed(document, `documents[${at}]`, this.name !== undefined));
    const ids = added.map(({ id }) => id);
    // A second call made meanwhile does not give their ids away.
    for (const id of ids) this.#given.add(id);
    try {
      const args = { index: this.#index, documents: posted, chunk };
      this.#keep(await this.#model.client.call('index-add', args, following));
    } finally {
      for (const id of ids) this.#given.delete(id);
    }
    for (const document of added) {
      this.#documents.delete(document.id);
      this.#documents.set(document.id, document);
    }
    return ids;
  }

  /**
   * Finds the passages closest to `query`, best first; equal scores in the order they were added.
   *
   * @param query what to look for
   * @param options `topK`: the most hits; `filter`: which documents; `hybrid`: by words too; `perDocument`, `threshold` and
   *   `diversity`: which hits; `explain`: why; `oversampling`: how thoroughly; `rerank`: a second stage
   * @returns at most one hit per chunk, so a document may be found several times
   *
   * @example
   * await index.search('bees', { hybrid: true, filter: { year: { $gte: 2020 } }, perDocument: 1 });
   */
  async search(query: string, options?: SearchOptions): Promise<Hit[]> {
    const given = checked('search', options, [
      'topK', 'filter', 'hybrid', 'perDocument', 'threshold', 'diversity', 'oversampling', 'explain', 'rerank', 'priority', 'signal', 'onProgress',
    ]);
    const following = follow(given);
    if (typeof query !== 'string') throw invalid('query', query, 'a string');
    const settings = searchSettings(given);
    const rerank = bytes('rerank', given.rerank);
    const explain = flag('explain', given.explain, false);
    if (explain && this.#settings.metric === 'euclidean') {
      throw invalid('explain', explain, 'false: a distance is no sum over tokens; the metrics cosine and dot are');
    }
    this.#check();
    const found = await this.#model.client.call('index-search', { index: this.#index, query, settings, rerank }, following);
    this.#gpuBytes = found.gpuBytes;
    const hits = found.hits.flatMap((hit) => this.#hit(hit));
    if (!explain) return hits;
    return Promise.all(hits.map(async (hit) => ({ ...hit, explanation: await this.#explain(query, hit, following.signal) })));
  }

  /**
   * Counts what documents have in fields of their metadata.
   *
   * @param fields dotted paths, as in a {@link Filter}
   * @param options `filter`: which documents to count; `top`: the most values
   * @returns one for each field, in order
   *
   * @example
   * const [tags] = await index.facets(['tags'], { filter: { year: 2024 } });
   * tags.values; // [{ value: 'bees', count: 12 }, { value: 'bread', count: 3 }]
   */
  async facets(fields: string | readonly string[], options?: FacetOptions): Promise<Facet[]> {
    const given = checked('facets', options, ['filter', 'top', 'signal']);
    const args = {
      index: this.#index,
      fields: texts('fields', fields),
      filter: coerceFilter(given.filter),
      top: count('top', given.top, 1, FACET_VALUES),
    };
    this.#check();
    const found = await this.#model.client.call('index-facets', args, { signal: signal('signal', given.signal) });
    return found.map(({ field, values }) => ({
      field,
      values: values.map(({ value, count }) => ({ value: JSON.parse(value) as Facet['values'][number]['value'], count })),
    }));
  }

  /**
   * Takes documents out. Of an index with a name, that is on the disk then.
   *
   * @param ids one id or several; those the index does not have are ignored
   * @param options `signal`: an abort takes them back out of the queue; once their turn has come it is too late, and not heard
   * @returns how many there were
   */
  async remove(ids: string | readonly string[], options?: StopOptions): Promise<number> {
    const list = texts('ids', ids);
    const following = { signal: stopping('remove', options), settled: true };
    this.#check();
    const { count, keeping } = await this.#model.client.call('index-remove', { index: this.#index, ids: list }, following);
    this.#keep(keeping);
    for (const id of list) this.#documents.delete(id);
    return count;
  }

  /**
   * All of it as one file, for `createIndex({ model, from })` here or elsewhere, and for the native `heatseek`.
   *
   * @param options `signal`: an abort is answered at once; a file that is being made is made to its end, and dropped
   */
  async export(options?: StopOptions): Promise<Blob> {
    const following = { signal: stopping('export', options) };
    this.#check();
    return new Blob([await this.#model.client.call('index-export', { index: this.#index }, following)]);
  }

  /**
   * Closes the index and frees its memory. What is stored stays, for the next `createIndex` of its name; one without a name
   * ends. Later calls reject with code `disposed`. Doing it twice does nothing.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#documents.clear();
    // If the model has ended, so has the index: there is nobody to tell, and nothing to complain about.
    this.#model.client.call('index-dispose', { index: this.#index }).catch(() => {});
  }

  /** As {@link Index.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #hit({ id, score, chunk }: RawHit): Hit[] {
    const document = this.#documents.get(id);
    // A document removed while the answer was on its way is no hit any more.
    return document === undefined ? [] : [{ id, score, document, chunk }];
  }

  #explain(query: string, { chunk }: Hit, signal: AbortSignal | undefined): Promise<Explanation> {
    const { metric, pooling, poolingWeights, includePrompt, truncateDim } = this.#settings;
    const side = { pooling, hidden: false, ...defined({ poolingWeights, includePrompt, truncateDim }) };
    const args = { query, passage: chunk.text, settings: { query: side, passage: side, metric } };
    return this.#model.client.call('explain', args, { signal });
  }

  #keep(keeping: Keeping): void {
    this.#keeping = keeping;
    this.#model.warn(keeping.warning);
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
    while (this.#documents.has(id) || this.#given.has(id) || taken.has(id));
    return id;
  }
}
