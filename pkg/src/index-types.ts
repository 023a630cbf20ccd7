/** What indexes take and give: see create-index.ts. All of it is exported by types.ts too. */
import type { Pooling } from './pooling.js';
import type { CallOptions, Chunk } from './types.js';

/** How vectors are compared. For the unit vectors that most models make the two agree. */
export type Metric = 'cosine' | 'dot';

/** What an index is made with. */
export interface IndexOptions {
  /** How vectors are compared. Default `cosine`. */
  readonly metric?: Metric | undefined;
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
}

/** A document of an index. */
export interface Document {
  /** Names the document among those of its index. */
  readonly id: string;
  readonly text: string;
  /** Whatever you gave; it stays in your thread and is handed back as it was. */
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

/** How to search. */
export interface SearchOptions extends CallOptions {
  /** The most hits, 1 or more. Default 10. */
  readonly topK?: number | undefined;
  /**
   * A second stage: a learned matcher that looks at the vectors of the query and of each of the best hits together and
   * puts the hits in its order (D2LLM's interaction emulation module). A safetensors file of F32 tensors `W_1` [2D, h],
   * `P_sym` and `P_asym` [h, h], `W_2` [h, 1], and `b_1`, `c_sym`, `c_asym` [h] and `b_2` [1], which are 0 where they are
   * missing; `D` is the width of a vector. Scores are then the matcher's. Default: none.
   */
  readonly rerank?: ArrayBuffer | Uint8Array | undefined;
}

/** A passage found. */
export interface Hit {
  /** The document's id. */
  readonly id: string;
  /** The metric's value; higher is closer. */
  readonly score: number;
  /** The document as it was added. */
  readonly document: Document;
  /** The passage: a part of `document.text`. */
  readonly chunk: Chunk;
}
