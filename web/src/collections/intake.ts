/**
 * What comes into a collection: read file by file, embedded and stored batch by batch, so that whatever ends the page
 * costs a batch at most. The next visit goes on with what is not in the collection yet.
 */

import type { Index } from 'heatseek';

import { readFile } from '../reading/formats.ts';
import { Refused } from '../reading/refused.ts';
import { explain, isAbort } from '../problems.ts';
import type { Problem, Store, Unfinished } from '../state.ts';
import type { Collections } from './collections.ts';
import { opened } from './incoming.ts';
import type { Arrival, Incoming } from './incoming.ts';
import { Pace } from './pace.ts';
import { documentsOf, writtenDocuments } from './sources.ts';
import type { NewDocument, Stamp } from './sources.ts';
import { forget, remember, remembered } from './unfinished.ts';
import type { Delivery } from './unfinished.ts';

/** A batch ends with the document that fills it: a second's work or a few, as fast as machines are. */
const BATCH_CHARS = 30_000;
const BATCH_DOCUMENTS = 64;

/** What was given at once, until all of it is in. */
interface Parcel {
  readonly id: number | undefined;
  left: number;
}

/** A file, or a text without one. */
interface Item {
  readonly parcel: Parcel;
  readonly stamp: Stamp;
  readonly documents: () => Promise<readonly NewDocument[]>;
  /** Documents that it has put in. */
  readonly put: string[];
}

/** A document on its way. */
interface Piece {
  readonly item: Item;
  readonly document: NewDocument;
  readonly last: boolean;
  /** What it is of the work, in bytes of its file. */
  readonly weight: number;
}

export class Intake {
  readonly #store: Store;
  readonly #collections: Collections;
  /** Has the model loaded, if it is not. */
  readonly #want: () => void;
  #queue: Item[] = [];
  #pace = new Pace();
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Files whose passages are to be counted. */
  readonly #touched = new Set<string>();
  /** What is not all in yet. */
  readonly #parcels = new Set<Parcel>();
  readonly #begun = new Set<Item>();

  constructor(store: Store, collections: Collections, want: () => void) {
    this.#store = store;
    this.#collections = collections;
    this.#want = want;
  }

  /** Adds files; those that are in already, as they are now, are passed over. */
  async addFiles({ label, files, handles, skipped }: Arrival): Promise<void> {
    const { name: collection } = this.#store.state.collection;
    if (skipped > 0) {
      this.#store.complain({ title: `${skipped} files in “${label}” were skipped`, advice: 'They are of kinds that Heatseek does not read.' });
    }
    if (files.length === 0) return;
    const what = handles.length > 0 ? { handles } : { files: files.map(stampOf) };
    this.#enqueueFiles(await remember({ collection, label, ...what }), files);
    await this.drain();
  }

  /** Adds a text that is no file. */
  async addText(kind: 'pasted' | 'sample', name: string, texts: Parameters<typeof writtenDocuments>[2]): Promise<void> {
    const documents = writtenDocuments(name, kind, texts);
    const id = await remember({ collection: this.#store.state.collection.name, label: name, documents });
    this.#enqueueDocuments(id, name, documents);
    await this.drain();
  }

  /** Whether a name is that of something in the collection or on its way there. */
  has(name: string): boolean {
    return this.#collections.source(name) !== undefined || this.#queue.some(({ stamp }) => stamp.file === name) || this.#store.state.indexing?.name === name;
  }

  /** Stops; what is not in yet is forgotten, and so is the half of a file. */
  cancel(): void {
    for (const { id } of this.#parcels) if (id !== undefined) void forget(id);
    this.#drop();
    this.#stopping.abort('cancel');
    if (!this.#running) this.#store.update({ indexing: undefined });
  }

  /** Stops, to go on when the collection is opened again. */
  async pause(): Promise<void> {
    this.#drop();
    this.#stopping.abort('pause');
    await this.#running;
    this.#store.update({ indexing: undefined });
  }

  /** Goes on with what an earlier visit left for the collection in view. */
  async resume(): Promise<void> {
    const { name } = this.#store.state.collection;
    for (const delivery of await remembered(name)) {
      if (delivery.documents) this.#enqueueDocuments(delivery.id, delivery.label, delivery.documents);
      else if (delivery.handles && (await allGranted(delivery.handles, 'query'))) await this.#reopen(delivery.id, delivery.label, delivery.handles);
    }
    await this.#review();
    await this.drain();
  }

  /** Asks the browser for leave to read what was left, and goes on. To be called by a click. */
  async allow(id: number): Promise<void> {
    const delivery = (await remembered(this.#store.state.collection.name)).find((one) => one.id === id);
    if (!delivery?.handles || !(await allGranted(delivery.handles, 'request'))) return;
    this.#store.update({ unfinished: this.#store.state.unfinished.filter((one) => one.id !== id) });
    await this.#reopen(id, delivery.label, delivery.handles);
    await this.drain();
  }

  /** What was left is not wanted any more. */
  async dismiss(id: number): Promise<void> {
    await forget(id);
    this.#store.update({ unfinished: this.#store.state.unfinished.filter((one) => one.id !== id) });
  }

  /** Puts in what waits, if it can be. */
  async drain(): Promise<void> {
    this.#announce();
    if (this.#queue.length > 0 && this.#store.state.model.kind === 'idle') this.#want();
    if (!this.#collections.ready) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    try {
      while (this.#queue.length > 0) await this.#putAll(await this.#collections.ensure(), signal);
      if (signal.reason === 'pause') return;
      if (signal.aborted) await this.#collections.index?.remove([...this.#begun].flatMap(({ put }) => put));
      if (this.#touched.size > 0) await this.#collections.count([...this.#touched]);
      await this.#collections.countFacets();
      await this.#review();
    } catch (error) {
      this.#drop();
      if (!isAbort(error)) this.#store.complain(explain(error, 'adding text'));
    } finally {
      this.#touched.clear();
      this.#begun.clear();
      this.#pace = new Pace();
      this.#store.update({ indexing: undefined });
    }
  }

  async #putAll(index: Index, signal: AbortSignal): Promise<void> {
    let batch: Piece[] = [];
    let chars = 0;
    for await (const piece of this.#pieces(index, signal)) {
      const other = batch[0] !== undefined && batch[0].document.metadata.markdown !== piece.document.metadata.markdown;
      if (other || chars >= BATCH_CHARS || batch.length >= BATCH_DOCUMENTS) {
        await this.#put(index, batch, signal);
        [batch, chars] = [[], 0];
      }
      batch.push(piece);
      chars += piece.document.text.length;
    }
    if (batch.length > 0) await this.#put(index, batch, signal);
  }

  /** The documents of all that waits, but for those that are in already. */
  async *#pieces(index: Index, signal: AbortSignal): AsyncGenerator<Piece> {
    for (let item = this.#queue.shift(); item; item = this.#queue.shift()) {
      const { stamp: { file, size_bytes } } = item;
      this.#begun.add(item);
      const source = this.#collections.source(file);
      const same = source !== undefined && source.size_bytes === size_bytes && source.modified === item.stamp.modified;
      let documents: readonly NewDocument[] = [];
      if (!same || source.documentIds.length < source.parts) {
        try {
          this.#pace.reading(file);
          this.#show();
          documents = await item.documents();
        } catch (error) {
          this.#store.complain(refusal(file, error));
        }
      }
      if (signal.aborted) return;
      const missing = documents.filter(({ id }) => !same || !index.has(id));
      this.#pace.passOver(size_bytes * (documents.length === 0 ? 1 : 1 - missing.length / documents.length));
      if (missing.length === 0) await this.#finish(item);
      else if (source && !same) await this.#dropStale(index, source.documentIds, documents);
      for (const [at, document] of missing.entries()) {
        yield { item, document, last: at === missing.length - 1, weight: size_bytes / documents.length };
      }
    }
  }

  /** Parts that a file had once and has no more. */
  async #dropStale(index: Index, ids: readonly string[], documents: readonly NewDocument[]): Promise<void> {
    const kept = new Set(documents.map(({ id }) => id));
    await index.remove(ids.filter((id) => !kept.has(id)));
  }

  async #put(index: Index, batch: readonly Piece[], signal: AbortSignal): Promise<void> {
    const documents = batch.map(({ document }) => document);
    const [first] = documents;
    if (!first || signal.aborted) return;
    this.#pace.begin(first.metadata.file, batch.reduce((sum, { weight }) => sum + weight, 0), documents.length, first.metadata.parts);
    try {
      await index.add(documents, {
        chunk: { markdown: first.metadata.markdown },
        signal,
        onProgress: ({ stage, loaded, total }) => {
          if (stage !== 'index') return;
          this.#pace.at(loaded, total);
          this.#show();
        },
      });
    } catch (error) {
      if (signal.aborted) return;
      this.#store.complain(explain(error, `indexing “${first.metadata.file}”`));
    }
    this.#pace.end();
    for (const { item, document, last } of batch) {
      item.put.push(document.id);
      this.#touched.add(item.stamp.file);
      if (last) await this.#finish(item);
    }
    this.#collections.refresh(this.#store.state.passages + this.#pace.lastPassages);
    if (!signal.aborted) this.#show();
  }

  async #finish(item: Item): Promise<void> {
    this.#pace.finished();
    this.#begun.delete(item);
    await this.#settle(item.parcel, 1);
  }

  /** So many of a parcel's files are in, or will never be. */
  async #settle(parcel: Parcel, count: number): Promise<void> {
    parcel.left -= count;
    if (parcel.left > 0) return;
    this.#parcels.delete(parcel);
    if (parcel.id !== undefined) await forget(parcel.id);
  }

  #drop(): void {
    this.#queue = [];
    this.#parcels.clear();
  }

  async #reopen(id: number, label: string, handles: readonly FileSystemHandle[]): Promise<void> {
    try {
      this.#enqueueFiles(id, (await opened(handles, label)).files);
    } catch {
      await forget(id);
      this.#store.complain({ title: `“${label}” is not where it was`, advice: 'Add it again from where it is now. What was read of it stays.' });
    }
  }

  /** Looks which of what cannot be gone on with unasked is still missing. */
  async #review(): Promise<void> {
    const { collection: { name } } = this.#store.state;
    const unfinished: Unfinished[] = [];
    for (const { id, label, handles, files } of await remembered(name)) {
      if (handles && !(await allGranted(handles, 'query'))) unfinished.push({ id, label, needs: 'permission', left: undefined });
      const left = files?.filter((stamp) => !this.#isIn(stamp)).length;
      if (left === 0) await forget(id);
      else if (left !== undefined && !this.#queue.some(({ parcel }) => parcel.id === id)) {
        const needs = files?.some(({ file }) => file.includes('/')) ? 'folder' : 'files';
        unfinished.push({ id, label, needs, left });
      }
    }
    if (name === this.#store.state.collection.name) this.#store.update({ unfinished });
  }

  #isIn({ file, size_bytes, modified }: Stamp): boolean {
    const source = this.#collections.source(file);
    return source?.size_bytes === size_bytes && source.modified === modified && source.documentIds.length >= source.parts;
  }

  /** Whether a delivery is on its way already: opening a collection finds what was remembered a moment ago, too. */
  #isComing(id: number | undefined): boolean {
    return id !== undefined && [...this.#parcels].some((parcel) => parcel.id === id);
  }

  #enqueueFiles(id: number | undefined, files: readonly Incoming[]): void {
    if (this.#isComing(id)) return;
    const parcel: Parcel = { id, left: files.length };
    this.#enqueue(files.map((file) => {
      const stamp = stampOf(file);
      return { parcel, stamp, put: [], documents: async () => documentsOf(stamp, await readFile(await file.open())) };
    }));
    if (files.length === 0) void this.#settle(parcel, 0);
  }

  #enqueueDocuments(id: number | undefined, file: string, documents: readonly NewDocument[]): void {
    const [first] = documents;
    if (!first || this.#isComing(id)) return;
    const { size_bytes, modified } = first.metadata;
    this.#enqueue([{ parcel: { id, left: 1 }, stamp: { file, size_bytes, modified }, put: [], documents: () => Promise.resolve(documents) }]);
  }

  #enqueue(items: readonly Item[]): void {
    this.#queue.push(...items);
    for (const { stamp, parcel } of items) {
      this.#pace.expect(stamp.size_bytes);
      this.#parcels.add(parcel);
    }
  }

  #announce(): void {
    const [first] = this.#queue;
    if (!first || this.#running) return;
    this.#pace.reading(first.stamp.file);
    this.#show();
  }

  #show(): void {
    this.#store.update({ indexing: this.#pace.said() });
  }
}

function stampOf({ file, size_bytes, modified }: Stamp): Stamp {
  return { file, size_bytes, modified };
}

function refusal(file: string, error: unknown): Problem {
  if (error instanceof Refused) return { title: `“${file}” ${error.message}`, advice: error.advice };
  return { title: `“${file}” could not be read`, advice: `Choose it again. (${String(error)})` };
}

/** Permissions are the Chromium family's; elsewhere handles need none. */
async function allGranted(handles: NonNullable<Delivery['handles']>, how: 'query' | 'request'): Promise<boolean> {
  for (const handle of handles as readonly Permitted[]) {
    const permission = how === 'query' ? handle.queryPermission?.({ mode: 'read' }) : handle.requestPermission?.({ mode: 'read' });
    if (((await permission) ?? 'granted') !== 'granted') return false;
  }
  return true;
}

interface Permitted extends FileSystemHandle {
  queryPermission?(options: { mode: 'read' }): Promise<PermissionState>;
  requestPermission?(options: { mode: 'read' }): Promise<PermissionState>;
}
