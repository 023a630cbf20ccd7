/** What indexes take and give: see create-index.ts. All of it is exported by types.ts too. */
import type { Pooling } from './pooling.js';
import type { ProgressCallback } from './progress.js';
import type { CallOptions, Chunk, Explanation, Priority } from './types.js';

/**
 * How vectors are compared. For the unit vectors that most models make, all rank alike. `euclidean` is the distance with a
 * minus before it, so that higher is closer here too.
 */
export type Metric = 'cosine' | 'dot' | 'euclidean';

/**
 * What an index keeps of each vector: `f32` all of it; `f16` half of the memory and `int8` a quarter, which seldom changes
 * what is found. `binary` finds candidates by the elements' signs and scores them from a copy in `int8`: an eighth more memory
 * than that, for hundreds of thousands of vectors; it may miss a hit among vectors that are all alike or all unlike. Looking at
 * 1,000,000 vectors of 384 elements took WebAssembly in Node, on one thread, 51 ms with `int8`, 26 with `binary` and 189 with
 * `f16`, which it widens bit by bit: there `f16` saves memory and no time.
 */
export type VectorStorage = 'f32' | 'f16' | 'int8' | 'binary';

/**
 * Where the vectors of an index are compared with a query. `auto` is the GPU that the model runs on, unless that is
 * software, from 64 MB of vectors on (of `binary`, of signs): they are copied there in the course of searches, once nothing
 * has been added or removed between two of them, and until they are there the CPU compares them. `gpu` copies them at the
 * first search, whatever the GPU is and however few they are. The CPU compares them where there is no GPU or no room on it,
 * by `euclidean`, for which GPUs' sums are too coarse, and where more than a thousand candidates are wanted. What is found is
 * the same, but for the order of equals.
 */
export type ScanOn = 'auto' | 'gpu' | 'cpu';

/** Where an index is kept: in files of the browser's, in its database, in a folder where there is no browser, or nowhere. */
export type Persisted = 'opfs' | 'indexeddb' | 'folder' | 'memory';

/** What JSON can say. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** What an index is made with. */
export interface IndexOptions {
  /**
   * Keeps the index in the browser, under this name among those of the site: opened if it is there, made if not. Whatever
   * `add` and `remove` have done is on the disk when they resolve; killing the tab loses no more than what was under way.
   * It must be opened with the model and the settings it was made with; else an `invalid_input` error says what differs. Files
   * that are damaged are an `index_invalid` error, and stay as they are; see `recover`.
   * One tab has it at a time: another gets an error with code `locked`. 1 to 80 bytes of UTF-8 without `/`, `\` and control
   * characters, no dot or space at either end. Default: it is in memory and ends with the model.
   * In Node, Deno and Bun it is in `heatseek/indexes` below `HEATSEEK_DATA`, or below the user's data folder
   * (`~/.local/share`, `~/Library/Application Support`, `%LOCALAPPDATA%`), and one process or worker has it at a time.
   */
  readonly name?: string | undefined;
  /**
   * An index that {@link Index.export} gave, to begin with. With a `name` there must be none of it yet. One of another model
   * or other settings is an `invalid_input` error, one that is damaged an `index_invalid` error.
   */
  readonly from?: Blob | ArrayBuffer | Uint8Array | undefined;
  /** What is kept of each vector. Default `f32`. Of several vectors for each text only `f32` is. */
  readonly storage?: VectorStorage | undefined;
  /** How vectors are compared. Default `cosine`. */
  readonly metric?: Metric | undefined;
  /** Where they are compared. Default `auto`. */
  readonly scan?: ScanOn | undefined;
  /**
   * As in {@link EmbedOptions}, for documents and queries. With a pooler that gives several vectors, scores are those of
   * `maxSim`.
   */
  readonly pooling?: Pooling | undefined;
  readonly poolingWeights?: ArrayBuffer | Uint8Array | undefined;
  readonly includePrompt?: boolean | undefined;
  readonly truncateDim?: number | undefined;
  /** Whether chunks of a document are pooled from one reading of it, as in {@link EmbedChunksOptions}. Default `false`. */
  readonly late?: boolean | undefined;
  /**
   * Whether an index whose last change is damaged is opened as it was before that, instead of an `index_invalid` error;
   * {@link Index.lost} says then what it cost. The damaged files can be restored until something else is stored. Default `false`.
   */
  readonly recover?: boolean | undefined;
  /**
   * Whether each file of an index that is kept must have the SHA-256 it was written with, when it is opened. That finds a
   * changed byte among the vectors or in a text, which is not seen else, and is an `index_invalid` error then; it costs a sum
   * over all of it. Default `false`: files are there, of the right length, and all that counts or points in them is in bounds.
   */
  readonly verify?: boolean | undefined;
  /**
   * Aborts opening or making it, between two files that are read, and before and after what was exported is taken in: nothing
   * has been made then, and what was stored stays as it was.
   */
  readonly signal?: AbortSignal | undefined;
  /** Told of each file that is read (`read`), of an index that is there. */
  readonly onProgress?: ProgressCallback | undefined;
}

/** An index that the browser keeps. */
export interface StoredIndex {
  readonly name: string;
  readonly persisted: 'opfs' | 'indexeddb' | 'folder';
}

/** A document of an index. */
export interface Document {
  /** Names the document among those of its index. */
  readonly id: string;
  readonly text: string;
  /**
   * Whatever you gave, handed back as it was. Filters and facets look at it as JSON. In an index with a name it must be
   * JSON, so that it can be kept: anything else is an `invalid_input` error that says where; properties that are
   * `undefined` are left out. Without a name, what is no JSON is just not seen by filters.
   */
  readonly metadata?: unknown;
}

/** A document to add: its text, or its text with an id and metadata. Without an id it gets a number. */
export type DocumentInput =
  | string
  | { readonly id?: string | undefined; readonly text: string; readonly metadata?: unknown };

/**
 * How documents are cut into pieces that are embedded each on its own: where a paragraph or a sentence ends, if one does
 * in the second half of what the limits allow, else between words. All limits hold at once.
 */
export interface ChunkOptions {
  /**
   * The most tokens of a chunk, special ones not counted. Default 200, or what the model reads if that is less.
   * More than the model reads is an `invalid_input` error.
   */
  readonly tokens?: number | undefined;
  /**
   * About how many of them the next chunk repeats, where the limits leave room for anything new; less than `tokens`.
   * Default a fifth of them, 40 at most; with `sentences` 0.
   */
  readonly overlap?: number | undefined;
  /** The most characters (Unicode code points) of a chunk; one token may have more. Default: no limit. */
  readonly characters?: number | undefined;
  /** The most sentences of a chunk, as Unicode (UAX #29) has them. Default: no limit. */
  readonly sentences?: number | undefined;
  /**
   * Whether texts are Markdown: chunks begin at headings, or else at other blocks; a heading stays with what follows it, a
   * code block or a table whole if it fits. Default `false`.
   */
  readonly markdown?: boolean | undefined;
}

/** How to add documents. */
export interface AddOptions extends CallOptions {
  /** How documents are cut. Default `{}`: see there. `false` embeds each whole, cut at the model's limit. */
  readonly chunk?: ChunkOptions | false | undefined;
}

/**
 * A condition on metadata, as MongoDB writes it: `{ year: { $gte: 2020 }, $or: [{ tags: 'bees' }, { 'author.name': 'Ann' }] }`.
 *
 * - All of an object must hold; `{}` always does. `$and`, `$or`, `$nor` take arrays of filters, `$not` takes one.
 * - A field is a dotted path into objects, and goes on in every element of an array, or in the one whose number it gives.
 * - It is compared with a value, or by operators that all must hold: `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte` (a number or
 *   a string), `$in`, `$nin` (an array), `$exists` (a boolean), `$not` (operators). For an array it is enough that one of
 *   its elements does.
 * - Values are equal to those of the same type. Strings are less or greater by their code points, as ISO dates are. `null`
 *   is also what is not there.
 *
 * What is none of this is an `invalid_input` error that says where.
 */
export interface Filter {
  readonly $and?: readonly Filter[];
  readonly $or?: readonly Filter[];
  readonly $nor?: readonly Filter[];
  readonly $not?: Filter;
  readonly [field: string]: FieldFilter | Filter | readonly Filter[] | undefined;
}

/** What a field must be: a value, or what operators say. */
export type FieldFilter = JsonValue | FieldOperators;

/** Operators of a {@link Filter}. */
export interface FieldOperators {
  readonly $eq?: JsonValue;
  readonly $ne?: JsonValue;
  readonly $gt?: number | string;
  readonly $gte?: number | string;
  readonly $lt?: number | string;
  readonly $lte?: number | string;
  readonly $in?: readonly JsonValue[];
  readonly $nin?: readonly JsonValue[];
  readonly $exists?: boolean;
  readonly $not?: FieldOperators;
}

/** How search by meaning and search by words go together. */
export interface HybridOptions {
  /** How much the words count, 0 to 1; the meaning counts for the rest. Default 0.5. */
  readonly weight?: number | undefined;
  /**
   * `rrf` fuses ranks (reciprocal rank fusion: `Σ weight / (k + rank)`), which needs no scale; `scores` fuses scores, each
   * kind stretched from 0 to 1 over its own hits. Default `rrf`.
   */
  readonly fusion?: 'rrf' | 'scores' | undefined;
  /** How little the first ranks count more than later ones, with `rrf`: 0 or more. Default 60, as its authors have it. */
  readonly k?: number | undefined;
}

/** How to search. */
export interface SearchOptions extends CallOptions {
  /** The most hits, 1 or more. Default 10. */
  readonly topK?: number | undefined;
  /** Which documents to look at. Applied before anything is ranked, so that there are `topK` hits if so many match. */
  readonly filter?: Filter | undefined;
  /**
   * Whether the query's words count too, by BM25 over the same chunks; scores are those of the fusion then. Either list has
   * its best 100 chunks that meet the filter, or `topK` if that is more (four times as many with `rerank` or `diversity`):
   * one that is further down is as if it were not in that list. Where `perDocument` leaves too few of them, lists are made
   * four times as long until it leaves enough. The first search by words reads those of all chunks, and each later one those
   * that were added since. Default `false`: meaning alone.
   */
  readonly hybrid?: boolean | HybridOptions | undefined;
  /** The most hits of one document, 1 or more. Default: no limit. */
  readonly perDocument?: number | undefined;
  /** The lowest score of a hit: with `hybrid` of the fusion's, with `rerank` of the matcher's. Default: none. */
  readonly threshold?: number | undefined;
  /**
   * How much hits are to differ from those before them, 0 to 1: 0 is by score alone, 1 by difference alone (maximal
   * marginal relevance). Default 0.
   */
  readonly diversity?: number | undefined;
  /**
   * How many candidates for each hit are found by their signs and then scored from the copy, where vectors are stored as
   * `binary`: 1 or more. More finds more, and takes longer. Default 4. All else that is stored is compared with the query as
   * it is, whatever this says.
   */
  readonly oversampling?: number | undefined;
  /**
   * Whether each hit says what its tokens gave to its score: an `explanation`, as {@link Model.explain} gives it for the
   * query and the chunk by itself, each embedded as the index does. What it explains is the metric's value, the cosine or the
   * dot product: that is not the hit's score with `hybrid` or `rerank`, and the same up to rounding where `storage` is not `f32`.
   * Costs two texts a hit. Not for the metric `euclidean`. Default `false`.
   */
  readonly explain?: boolean | undefined;
  /**
   * A second stage: a learned matcher that looks at the vectors of the query and of each of the best hits together and
   * puts the hits in its order (D2LLM's interaction emulation module). A safetensors file of F32 tensors `W_1` [2D, h],
   * `P_sym` and `P_asym` [h, h], `W_2` [h, 1], and `b_1`, `c_sym`, `c_asym` [h] and `b_2` [1], which are 0 where they are
   * missing; `D` is the width of a vector. Scores are then the matcher's. Default: none.
   */
  readonly rerank?: ArrayBuffer | Uint8Array | undefined;
  /** Whom it overtakes. Default `interactive`. */
  readonly priority?: Priority | undefined;
}

/** A passage found. */
export interface Hit {
  /** The document's id. */
  readonly id: string;
  /** The metric's value, or that of the fusion or second stage; higher is closer. */
  readonly score: number;
  /** The document as it was added. */
  readonly document: Document;
  /** The passage: a part of `document.text`. */
  readonly chunk: Chunk;
  /** There if it was asked for. */
  readonly explanation?: Explanation;
}

/** How to stop what tells no progress. */
export interface StopOptions {
  /** Stops it: it rejects with code `aborted`. Each says when. */
  readonly signal?: AbortSignal | undefined;
}

/** What to count. */
export interface FacetOptions {
  /** Which documents to count. Default all. */
  readonly filter?: Filter | undefined;
  /** The most values of a field, 1 or more. Default 100. */
  readonly top?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The values of a field, and how many documents have each. */
export interface Facet {
  readonly field: string;
  /** The most frequent first. Of an array each element is a value. */
  readonly values: readonly { readonly value: boolean | number | string; readonly count: number }[];
}
