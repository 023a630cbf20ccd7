/** What this side relies on of the engine's index, and in which words they speak of files. */
import type { Control } from './control.js';
import type { Facet } from './index-types.js';
import type { ChunkSettings, IndexedText, IndexSettings, RawHit, SearchSettings } from './protocol.js';

/** A file of an index: a name that is no path, and what is in it. */
export interface IndexFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A step from one stored state of an index to the next. Wherever it is cut off, the index opens as before it or after it. */
export interface IndexCommit {
  /** To be on the disk before the manifest is begun. */
  readonly files: readonly IndexFile[];
  /** To be on the disk before anything is removed. None if the state stays. */
  readonly manifest?: IndexFile | undefined;
  /** Names of files that nobody needs any more. What cannot be removed does no harm. */
  readonly remove: readonly string[];
}

/** An index in WebAssembly. What it throws is an error of ours as plain data. */
export interface WasmIndex {
  warning(): string | undefined;
  /** In the order they were added. */
  documents(): IndexedText[];
  /** Adds all or, if it rejects, none: earlier documents of the same ids are still there then. */
  add(documents: readonly IndexedText[], chunk: ChunkSettings | undefined, control: Control): Promise<number>;
  remove(ids: readonly string[]): number;
  search(query: string, settings: SearchSettings, control: Control): Promise<readonly RawHit[]>;
  facets(fields: readonly string[], filter: string | undefined): readonly Facet[];
  /** What has changed since the last one; of an index that was just opened, what there is to tidy up. */
  commit(): IndexCommit | undefined;
  /** The last commit was carried out. */
  finish(): void;
  /** It was not: names of files to remove. What it would have stored is in the next one. */
  abandon(): readonly string[];
  /** All of it as one file. */
  exported(): Uint8Array<ArrayBuffer>;
  free(): void;
}

/** A stored index on its way in. */
export interface WasmOpening {
  /** Names of the files to give next; none when it has all. */
  wanted(): readonly string[];
  give(name: string, bytes: Uint8Array | undefined): void;
  /** The index, and the end of this. */
  finish(): WasmIndex;
}

/** Makes indexes of one model, with the settings of one caller. */
export interface IndexMaker {
  /** An empty one that will not be stored. */
  fresh(): WasmIndex;
  /** One whose files are `names`; without any, an empty one that will be stored. */
  opening(names: readonly string[]): WasmOpening;
  /** One from what was exported. */
  imported(bytes: Uint8Array): WasmIndex;
}

/** The class of them. */
export interface WasmIndexClass<Model> {
  new (model: Model, settings: IndexSettings): WasmIndex;
  opening(model: Model, settings: IndexSettings, names: readonly string[]): WasmOpening;
  imported(model: Model, settings: IndexSettings, bytes: Uint8Array): WasmIndex;
}
