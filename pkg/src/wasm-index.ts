/** What this side relies on of the engine's index, and in which words they speak of files. */
import type { Control } from './control.js';
import type { ChunkSettings, Found, IndexedText, RawFacet, SearchSettings } from './protocol.js';

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
  /** What was given up of what is stored, as it is damaged. */
  skipped(): readonly string[];
  /** In the order they were added. */
  documents(): readonly IndexedText[];
  /** Adds all or, if it rejects, none: earlier documents of the same ids are still there then. */
  add(documents: readonly IndexedText[], chunk: ChunkSettings | undefined, control: Control): Promise<number>;
  remove(ids: readonly string[]): number;
  search(query: string, settings: SearchSettings, rerank: Uint8Array | undefined, control: Control): Promise<Found>;
  facets(fields: readonly string[], filter: string | undefined, most: number): readonly RawFacet[];
  /** All of it as one file. */
  exported(): Uint8Array<ArrayBuffer>;
  /** Adds what was exported. */
  import(exported: Uint8Array): number;
  /** What has changed since the last one; of an index that was just opened, first what there is to tidy up. */
  commit(): IndexCommit | undefined;
  /** The last commit was carried out. */
  finish(): void;
  /** It was not: names of files to remove. What it would have stored is in the next one. */
  abandon(): readonly string[];
  /** Names of files that are worth being written anew as fewer. */
  compaction(): readonly string[] | undefined;
  /** What is to be written in their place, of which these are the contents. */
  compact(files: readonly Uint8Array[]): IndexCommit | undefined;
  free(): void;
}

/** A stored index on its way in. */
export interface WasmOpening {
  /** Names of the files to give next; none when it has all. */
  wanted(): readonly string[];
  give(name: string, bytes: Uint8Array | undefined): void;
  /** The index, and the end of this. */
  finish(): WasmIndex;
  free(): void;
}

/** Makes indexes of one model, with the settings of one caller. */
export interface IndexMaker {
  /** An empty one that is not stored. */
  fresh(): WasmIndex;
  /** One whose files are `names`; without any, an empty one that is to be stored. */
  opening(names: readonly string[]): WasmOpening;
}
