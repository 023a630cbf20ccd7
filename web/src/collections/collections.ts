/** The collections that the browser keeps, and the one in view. Each is an index with a name; see the package. */

import { clearCache, createIndex, deleteIndex, HeatseekError, listIndexes } from 'heatseek';
import type { Index, Model } from 'heatseek';

import type { Asked } from '../finding/address.ts';
import { FACETS, filterOf, NO_SETTINGS } from '../finding/settings.ts';
import type { Settings } from '../finding/settings.ts';
import { explain } from '../problems.ts';
import { FIRST_COLLECTION, NO_SEARCH } from '../state.ts';
import type { Problem, Store } from '../state.ts';
import { freeName } from './names.ts';
import { sourcesOf } from './sources.ts';
import type { Source } from './sources.ts';
import { forgetAll } from './unfinished.ts';

/** Behind the name of a collection that was exported. */
export const ARCHIVE = '.heatseek';
/** As many hits as there can be: to count passages. */
const ALL = 2 ** 31 - 1;
const LAST = 'heatseek.collection';

/** What the rest of the page does about collections. */
export interface Host {
  /** The model, once it is loaded. */
  readonly model: () => Model | undefined;
  /** Stops what is being added to the collection in view; it goes on when that is opened again. */
  readonly pause: () => Promise<void>;
  /** Another collection is in view, or its text is another. */
  readonly changed: (opened: boolean) => void;
}

export class Collections {
  readonly #store: Store;
  readonly #host: Host;
  #index: Index | undefined;
  #making: Promise<Index> | undefined;
  /** Passages by document. */
  #passages = new Map<string, number>();
  #byFile = new Map<string, Source>();
  /** Whether it was said that the collection is not kept. */
  #warned: string | undefined;
  /** What was said of a collection that could not be opened. */
  #refused: Problem | undefined;

  constructor(store: Store, host: Host) {
    this.#store = store;
    this.#host = host;
  }

  /** What is in the collection in view; undefined while it is closed or has nothing yet. */
  get index(): Index | undefined {
    return this.#index;
  }

  /** Whether something can be added to it now. */
  get ready(): boolean {
    const { kind } = this.#store.state.collection;
    return this.#host.model() !== undefined && (kind === 'open' || kind === 'new');
  }

  /** What there is of a file. */
  source(file: string): Source | undefined {
    return this.#byFile.get(file);
  }

  /** Puts a collection in view: the one asked for, or that of the last visit. It is opened when the model is there. */
  async begin(asked: Partial<Asked> = {}): Promise<void> {
    const names = await this.#list();
    const last = asked.collection ?? remembered() ?? FIRST_COLLECTION;
    const name = names.includes(last) ? last : (names[0] ?? FIRST_COLLECTION);
    this.#show(name, names.includes(name), asked.settings);
    if (last === asked.collection && name !== last && last !== FIRST_COLLECTION) this.#missing(last);
    await this.open();
  }

  /** Goes to a collection that an address names. */
  async follow({ collection, settings }: Asked): Promise<void> {
    const names = await this.#list();
    if (collection === undefined || collection === this.#store.state.collection.name) return;
    if (!names.includes(collection)) return this.#missing(collection);
    await this.#leave();
    this.#show(collection, true, settings);
    await this.open();
  }

  /** Opens the collection in view, if it is kept and closed. */
  async open(): Promise<void> {
    const { name, kind } = this.#store.state.collection;
    const model = this.#host.model();
    if (!model || (kind !== 'closed' && kind !== 'failed')) return;
    this.#store.update({ collection: { name, kind: 'opening' } });
    try {
      const index = await createIndex({ model, name });
      if (this.#store.state.collection.name !== name) return index.dispose();
      await this.#take(index);
    } catch (error) {
      if (this.#store.state.collection.name !== name) return;
      this.#store.update({ collection: { name, kind: 'failed' } });
      this.#refused = refusal(error, name);
      this.#store.complain(this.#refused);
    }
  }

  /** The index in view, made if there is none. */
  async ensure(): Promise<Index> {
    const model = this.#host.model();
    if (this.#index) return this.#index;
    if (!model) throw new HeatseekError('disposed', 'there is no model');
    const { name } = this.#store.state.collection;
    this.#making ??= createIndex({ model, name }).finally(() => {
      this.#making = undefined;
    });
    this.#index = await this.#making;
    this.#store.update({ collection: { name, kind: 'open' } });
    await this.#list();
    return this.#index;
  }

  /** Puts another in view; one that is not there yet is made when something is added to it. */
  async choose(name: string): Promise<void> {
    if (name === this.#store.state.collection.name) return this.open();
    await this.#leave();
    this.#show(name, (await this.#list()).includes(name));
    await this.open();
  }

  /** Deletes the collection in view, and all that is in it. */
  async delete(): Promise<void> {
    const { name } = this.#store.state.collection;
    await this.#leave();
    await this.#delete(name);
    const [next] = await this.#list();
    this.#show(next ?? FIRST_COLLECTION, next !== undefined);
    await this.open();
  }

  /** Deletes all collections, what was to be added to them, and the models that were kept. */
  async deleteAll(): Promise<void> {
    await this.#leave();
    for (const name of await this.#list()) await this.#delete(name);
    await forgetAll();
    await clearCache();
    localStorage.removeItem(LAST);
    const names = await this.#list();
    this.#show(names[0] ?? FIRST_COLLECTION, names.length > 0);
    await this.open();
  }

  /** Makes a collection of one that was exported, and puts it in view. */
  async import(file: File): Promise<void> {
    const model = this.#host.model();
    if (!model) {
      return this.#store.complain({ title: 'The model is not loaded yet', advice: `Import “${file.name}” again once it is.` });
    }
    const named = file.name.endsWith(ARCHIVE) ? file.name.slice(0, -ARCHIVE.length) : file.name.replace(/\.[^.]*$/, '');
    const name = freeName(named, await this.#list());
    try {
      const index = await createIndex({ model, name, from: file });
      await this.#leave();
      this.#show(name, true);
      await this.#take(index);
      await this.#list();
    } catch (error) {
      this.#store.complain(explain(error, `importing “${file.name}”`));
    }
  }

  /** Takes files out. */
  async remove(files: readonly string[]): Promise<void> {
    const gone = new Set(files);
    const ids = this.#store.state.sources.filter(({ file }) => gone.has(file)).flatMap(({ documentIds }) => documentIds);
    try {
      await this.#index?.remove(ids);
    } catch (error) {
      this.#store.complain(explain(error, `removing “${files[0] ?? ''}”`));
    }
    for (const id of ids) this.#passages.delete(id);
    this.refresh(this.#total());
    this.#host.changed(false);
  }

  /** Shows what the index has now. `passages` is how many there are, until they are counted by file. */
  refresh(passages: number): void {
    const index = this.#index;
    const documents = index?.ids().flatMap((id) => index.get(id) ?? []) ?? [];
    const sources = sourcesOf(documents, this.#passages);
    this.#byFile = new Map(sources.map((source) => [source.file, source]));
    this.#store.update({ sources, passages });
    if (index?.warning === undefined || index.warning === this.#warned) return;
    this.#warned = index.warning;
    this.#store.complain({ title: 'The browser does not keep this collection', advice: `It works until the page is closed. (${index.warning})` });
  }

  /** Counts the passages of these files, or of all: the index gives them up only as hits. */
  async count(files?: readonly string[]): Promise<void> {
    const index = this.#index;
    if (!index || index.size === 0) return this.refresh(0);
    const hits = await index.search('.', { topK: ALL, ...(files && { filter: { file: { $in: files } } }) });
    if (index !== this.#index) return;
    for (const id of files ? files.flatMap((file) => this.#byFile.get(file)?.documentIds ?? []) : index.ids()) this.#passages.set(id, 0);
    for (const { id } of hits) this.#passages.set(id, (this.#passages.get(id) ?? 0) + 1);
    this.refresh(this.#total());
  }

  /** Counts what filters could be set to. */
  async countFacets(): Promise<void> {
    const index = this.#index;
    if (!index) return this.#store.update({ facets: [] });
    const { settings } = this.#store.state;
    const found = await Promise.all(FACETS.map((field) => index.facets(field, { filter: filterOf(settings, field) })));
    if (index === this.#index) this.#store.update({ facets: found.flat() });
  }

  async #take(index: Index): Promise<void> {
    this.#index = index;
    await this.count();
    if (index !== this.#index) return;
    const { collection: { name }, problems } = this.#store.state;
    this.#store.update({ collection: { name, kind: 'open' }, problems: problems.filter((problem) => problem !== this.#refused) });
    this.#host.changed(true);
  }

  async #leave(): Promise<void> {
    await this.#host.pause();
    this.#index?.dispose();
    this.#index = undefined;
    this.#passages = new Map();
    this.#byFile = new Map();
    this.#warned = undefined;
  }

  #missing(name: string): void {
    this.#store.complain({
      title: `There is no collection “${name}” here`,
      advice: 'Collections stay in the browser they were made in. To bring one along, export it there and import it here.',
    });
  }

  #show(name: string, kept: boolean, settings?: Settings): void {
    const { topK, words } = this.#store.state.settings;
    this.#store.update({
      collection: { name, kind: kept ? 'closed' : 'new' },
      sources: [], passages: 0, search: NO_SEARCH, suggestions: [], unfinished: [], facets: [],
      // Filters are about what was in the other one.
      settings: settings ?? { ...NO_SETTINGS, topK, words },
    });
    try {
      localStorage.setItem(LAST, name);
    } catch {
      // Where nothing is kept there is no last one either.
    }
    this.#host.changed(false);
  }

  async #delete(name: string): Promise<void> {
    try {
      await forgetAll(name);
      await deleteIndex(name);
    } catch (error) {
      this.#store.complain(explain(error, `deleting “${name}”`));
    }
  }

  async #list(): Promise<string[]> {
    const names = (await listIndexes()).map(({ name }) => name);
    this.#store.update({ collections: names });
    return names;
  }

  #total(): number {
    return [...this.#passages.values()].reduce((sum, count) => sum + count, 0);
  }
}

/** Why a collection cannot be opened. */
function refusal(error: unknown, name: string): Problem {
  switch (error instanceof HeatseekError ? error.code : undefined) {
    case 'locked':
      return { title: `“${name}” is open in another tab`, advice: 'Close that tab and come back, or choose another collection here.' };
    // What the package calls an invalid input is here the page's address, which names another model than it did.
    case 'invalid_input':
      return { title: `“${name}” was made with another model`, advice: `Open the page with that one, or choose another collection. (${(error as Error).message})` };
    default:
      return explain(error, `opening “${name}”`);
  }
}

function remembered(): string | undefined {
  try {
    return localStorage.getItem(LAST) ?? undefined;
  } catch {
    return undefined;
  }
}
