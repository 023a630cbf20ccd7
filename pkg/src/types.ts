import type { Pooling } from './pooling.js';
import type { Fetch, RequestHeaders } from './model-source.js';
import type { ProgressCallback } from './progress.js';
import type { Timing } from './timing.js';
import type { ChunkOptions, Metric } from './index-types.js';

export type * from './index-types.js';
export type * from './model-source.js';

/**
 * Where to compute.
 * - `auto`: a hardware GPU that passes the self-check, otherwise the CPU; or the CPU where it was measured to be clearly faster.
 *   Once a model of texts with an address and at most 50 million parameters is on such a GPU, and nobody has asked for
 *   anything for one and a half seconds, a second engine loads it from the cache (`cache: false`, and functions for `headers`
 *   and `fetch`, leave that out), a query and a batch of 16 texts are timed on both, and the second engine ends. The next call
 *   ends it too; it is tried three times at most. What is found counts from the next `load` on, and is kept in IndexedDB by
 *   model, `dtype`, `threads`, adapter and version of the browser.
 * - `gpu`: WebGPU, software adapters included; `unsupported` if there is none.
 * - `cpu`: WebAssembly.
 * - `reference`: the slow scalar code that everything else is tested against.
 */
export type Device = 'auto' | 'gpu' | 'cpu' | 'reference';

/** A build of the engine: where it is, or its code. */
export type WasmInput = URL | Response | WebAssembly.Module | BufferSource;

/**
 * What weights and the widest activations are stored as. Sums are kept in f32 and results are f32, whichever it is.
 * - `f32`: the reference, on every device.
 * - `f16`: half the memory, and faster; a GPU with `shader-f16`, `unsupported` elsewhere. Vectors are within a cosine of
 *   0.9999 of those of f32: the self-check sees to it.
 * - `int8`: a quarter of the memory. Vectors are within a cosine of 0.99 of those of f32.
 * - `auto`: `f16` on a GPU that has it and passes the self-check with it, `f32` otherwise. `info.device.dtype` says
 *   which was taken.
 *
 * `fp32`, `fp16` and `q8` are what transformers.js calls the first three.
 */
export type Dtype = 'auto' | 'f32' | 'f16' | 'int8' | 'fp32' | 'fp16' | 'q8';

/**
 * Whom a call overtakes. A model computes one thing at a time, in steps of some milliseconds.
 * - `interactive`: somebody waits for the answer. It begins with the next step, and `bulk` work goes on behind it. Among
 *   themselves such calls are in the order they were made.
 * - `bulk`: it begins when those that were made before have ended, and waits for every interactive call.
 *
 * Calls for one input are interactive by default: `embed` of one text or picture, `search`, `facets`, `attention`, `neuron`
 * and `explain`. All others are bulk. A `search` made during an `add` sees the index as it was before.
 */
export type Priority = 'interactive' | 'bulk';

/** Following and stopping a call that takes long. */
export interface CallOptions {
  /** Stops the call: it rejects at once with code `aborted`, and the work ends with the step it is at. */
  readonly signal?: AbortSignal | undefined;
  /** Told how far the work is. */
  readonly onProgress?: ProgressCallback | undefined;
}

/** What is asked of a `Worker` of Node's `worker_threads`. */
export interface WorkerThread {
  postMessage(message: unknown, transfer?: readonly any[]): void;
  on(event: string, listener: (value: any) => void): unknown;
}

/** How to load a model. Unknown names and values are `invalid_input` errors. */
export interface LoadOptions extends CallOptions {
  /** Where to compute. Default `auto`. */
  readonly device?: Device | undefined;
  /**
   * What weights are stored as on the device. Default `f32`: vectors of an index that is kept compare with those of any
   * device and any day, which those of `auto` do to four digits only.
   */
  readonly dtype?: Dtype | undefined;
  /**
   * How many threads compute where the CPU does; at most this many. Default: one for two of the machine's logical
   * processors, 8 at most. More than one need a page that is cross-origin isolated (served with the headers
   * `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`), a browser with relaxed
   * SIMD, and a worker to work in; where that is lacking one computes, and if you asked for more `device.fallback` says
   * what is. Node (22 or newer), Deno and Bun have threads without any of it. Then `embed` of many texts is spread over as many whole workers instead, started at the first such call,
   * each of which takes the memory of the model again. `device.name` says how many threads there are. Each is a worker
   * that runs the script of `worker`.
   */
  readonly threads?: number | undefined;
  /**
   * Whether a GPU's kernels are chosen by measuring them. Default `never`: on software adapters the usual kernels won all
   * that was measured, and on others nobody has measured what it gains. Nothing is to choose on the CPU.
   */
  readonly tune?: Tune | undefined;
  /** Which half of a model of texts and pictures, as CLIP, to load. Default: texts, where the model reads them. */
  readonly input?: 'text' | 'image' | undefined;
  /**
   * Branch, tag or commit of a model named by its hub id. Default `main`. Pin a commit to get the same
   * vectors for good. With any other source it is an `invalid_input` error.
   */
  readonly revision?: string | undefined;
  /**
   * The hub that an id names a model of: a mirror, or a server of your own that has files at
   * `{hub}/{id}/resolve/{revision}/`. Default `https://huggingface.co`. With any other source it is an `invalid_input` error.
   */
  readonly hub?: string | URL | undefined;
  /**
   * Sent with each request for a file of the model, e.g. `{ authorization: 'Bearer …' }`; or a function that is given the
   * address and gives the headers, asked before each request. Kept nowhere and in no message. From another origin, its
   * server must allow them by CORS. Default: none. With files of the user's it is an `invalid_input` error.
   */
  readonly headers?: RequestHeaders | undefined;
  /**
   * Fetches the model's files in place of the browser's `fetch`: it runs in your thread, and bodies go from there to the
   * worker. The engine's own code is not fetched by it: see `wasm`. With files of the user's it is an `invalid_input` error.
   */
  readonly fetch?: Fetch | undefined;
  /**
   * How often a download is tried again that breaks off, or whose server is busy, with pauses of 0.5, 1, 2, 4, … seconds,
   * or as long as the server asks, half a minute at most. It goes on where it was if the server can and still has the same
   * file. Counted anew when more than a mebibyte has arrived meanwhile. Default 4; a server that has never answered is asked
   * twice.
   */
  readonly retries?: number | undefined;
  /**
   * Whether model files are kept in the browser's Cache API for next time. Default `true`. A kept file is used again if
   * the server still has the same one, or cannot be reached; one that turns out damaged is fetched again. A download that
   * broke off goes on where it was, next time too. Where the browser has no room or no cache, loading goes on without;
   * `model.warnings` tells of the room. In Node, Deno and Bun they are files below `HEATSEEK_CACHE`, or `heatseek` in the
   * user's cache folder. See `listCached`, `isCached`, `deleteCached` and `clearCache`.
   */
  readonly cache?: boolean | undefined;
  /**
   * SHA-256 sums in hexadecimal by file, e.g. `{ 'model.safetensors': '53aa5117…' }`. A file that has another
   * sum is a `model_invalid` error and is not kept. Default: those that the server tells, by `Repr-Digest`, `Digest` or
   * `X-Linked-ETag`, or that the hub lists, of files when they are downloaded.
   */
  readonly sha256?: Readonly<Record<string, string>> | undefined;
  /**
   * The worker to work in. Default: one that the library starts and `dispose()` ends.
   * - a `URL`: start this script instead, which must be `heatseek/worker`; other origins are fine.
   * - a `Worker` running `heatseek/worker`, of the web or of Node's `worker_threads`: yours to terminate, and good for one
   *   model at a time.
   * - `false`: no worker; the page, or the process, stalls while the CPU computes.
   */
  readonly worker?: Worker | WorkerThread | URL | false | undefined;
  /**
   * The engine's builds: `heatseek_bg.wasm`, which every browser runs, and `heatseek_relaxed_bg.wasm`, which is faster
   * and has threads where there is relaxed SIMD. Default: the files beside this module, of which one is fetched. Give
   * a `URL` (or a `Response`) of each to serve them from elsewhere, a `WebAssembly.Module` to compile it once for
   * several models, or its bytes. One alone is the baseline.
   *
   * `heatseek_extras_bg.wasm`, `extras`, is fetched for models that need it: those of pictures, and those whose
   * tokenizer matches regular expressions, as CLIP's does and BERT's does not.
   */
  readonly wasm?:
    | WasmInput
    | { readonly baseline: WasmInput; readonly relaxed: WasmInput; readonly extras?: WasmInput | undefined }
    | undefined;
}

/**
 * Whether a GPU's kernels are chosen by measuring them.
 * - `idle`: when nobody has asked for anything for half a second, kernels are measured for the sizes that calls had, in
 *   steps of some milliseconds that end with the next call, for a second and a half in all and until the choice under way is made.
 * - `now`: while the model loads, for a query and for a full batch, for ten seconds at most. The batch takes memory.
 * - `never`: kernels are those that suit most GPUs of the kind, and vectors the same to the last bit on every visit.
 *
 * What is chosen is kept in IndexedDB and used from the beginning on the next visit. A kernel is chosen only if it answers
 * as the others do, but for rounding: vectors change in the last bits, within what the self-check of `load` allows.
 */
export type Tune = 'idle' | 'now' | 'never';

/** A kernel that was chosen by measuring. */
export interface KernelChoice {
  /** The op it runs, with the type that weights are stored as and its widths: `gemm_f32_norm_in 384x1152`. */
  readonly shape: string;
  /** The most rows (tokens of a batch) it was chosen for; the least are half of them and one. */
  readonly rows: number;
  /** The kernel's name. */
  readonly kernel: string;
  /** The time it took, in percent of what the usual kernel took; 100 if it is that one. */
  readonly percent: number;
  /** Whether it was chosen on an earlier visit. */
  readonly cached: boolean;
}

/** The device in use. */
export interface DeviceInfo {
  readonly kind: 'gpu' | 'cpu' | 'reference';
  /** The device's own name: the adapter's, or e.g. `CPU, 4 threads`. */
  readonly name: string;
  /** The API it is driven through; of the CPU the build of the engine: `wasm-simd128` or `wasm-relaxed-simd`. */
  readonly backend: string;
  /** What weights are stored as: `f32`, `f16` or `int8`. */
  readonly dtype: string;
  /** The kernel set. */
  readonly kernels: string;
  /** Why this is not the first choice: no GPU, one that computes wrong numbers or is slower, or fewer threads than asked for. */
  readonly fallback?: string;
  /** The kernels that were chosen by measuring, if any were. Grows while a model is tuned. */
  readonly tuned?: readonly KernelChoice[];
}

/** Patches of a picture, from left to right and then down. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
}

/** A token of a picture that is no patch. */
export type PrefixToken = 'cls' | 'distillation' | 'register';

/**
 * What a model is and where it runs. Widths count elements; lengths count tokens, special ones included. What only
 * models of texts have is absent from models of pictures, and the other way round.
 */
export interface ModelInfo {
  /** `model_type` of config.json, e.g. `bert`. */
  readonly modelType: string;
  /** What the model reads. */
  readonly input: 'text' | 'image';
  /** Width of a token's vector. */
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  /** Texts only. */
  readonly vocabSize?: number;
  /** Weights, counted one by one. */
  readonly parameters: number;
  /** How the files store them, e.g. `F32`. */
  readonly weightsDtype: string;
  /** From encoder to vector, e.g. `['Transformer', 'Pooling(mean)', 'Normalize']`. */
  readonly modules: readonly string[];
  /** Width of an embedding: `shape[1]`. */
  readonly embeddingDim: number;
  /** The model's own limit; longer texts are cut. Texts only. */
  readonly maxLength?: number;
  /** The most that `maxLength` of {@link EmbedOptions} may ask for. Texts only. */
  readonly maxPositionEmbeddings?: number;
  /** The model's own pooling: what `auto` means. */
  readonly pooling: string;
  /** Whether the model's own vectors have unit length. */
  readonly normalize: boolean;
  /** Prompts by name, e.g. `query`. Texts only. */
  readonly prompts?: Readonly<Record<string, string>>;
  /** The prompt put before texts when none is named. */
  readonly defaultPromptName?: string;
  /** Side, in pixels, of the pictures the position embeddings were made for. Pictures only. */
  readonly imageSize?: number;
  /** Side of a patch in pixels. Pictures only. */
  readonly patchSize?: number;
  /** The tokens before the patches, in order. Pictures only. */
  readonly prefixTokens?: readonly PrefixToken[];
  readonly device: DeviceInfo;
}

/**
 * How numbers of a vector are stored, by sentence-transformers' conventions.
 * - `float32`: as they are computed.
 * - `int8`, `uint8`: 256 steps from the lowest to the highest value of each dimension: see {@link Ranges}.
 * - `binary`, `ubinary`: one bit for each, set where it is above 0; eight to an element, the first in its highest bit,
 *   the last filled up with zeros. `binary` is `ubinary` less 128, as an int8.
 */
export type Precision = 'float32' | 'int8' | 'uint8' | 'binary' | 'ubinary';

/** The arrays that vectors of each precision come in. */
export interface VectorData {
  readonly float32: Float32Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly binary: Int8Array;
  readonly ubinary: Uint8Array;
}

/** The lowest and highest value of each dimension, both as long as a vector is wide. */
export interface Ranges {
  readonly min: Float32Array;
  readonly max: Float32Array;
}

/** How to embed. The defaults are the model's own settings. */
export interface EmbedOptions extends CallOptions {
  /** How tokens become one vector, or several. Default `auto`. */
  readonly pooling?: Pooling | undefined;
  /**
   * The learned tensors of `pooling`: the bytes of a safetensors file of F32 tensors, by the names that
   * `model.poolers()` tells. A tensor that is missing or has another shape is an `invalid_input` error. They are
   * copied. Default: none.
   */
  readonly poolingWeights?: ArrayBuffer | Uint8Array | undefined;
  /**
   * Whether the tokens of the prompt are pooled with those of the text; `[CLS]` and the last token stay what they are
   * to `cls` and `last`. Default: as the model's `1_Pooling/config.json` says, `true` if it does not. Texts only.
   */
  readonly includePrompt?: boolean | undefined;
  /** Whether vectors get unit length. Default: as the model's `modules.json` says. */
  readonly normalize?: boolean | undefined;
  /**
   * Keeps the first so many elements of each vector, 1 to its width, as Matryoshka models allow; vectors that had
   * unit length get it again. Default: all.
   */
  readonly truncateDim?: number | undefined;
  /** How numbers are stored in `data`. Default `float32`. */
  readonly precision?: Precision | undefined;
  /**
   * Of `int8` and `uint8`: what their steps span; values outside become the nearest step. Default: the lowest and
   * highest of the vectors of this call, which must be two or more; give your own to compare vectors of several calls.
   */
  readonly ranges?: Ranges | undefined;
  /** Whether what each token weighed comes too. Default `false`. */
  readonly weights?: boolean | undefined;
  /** A prompt of the model, by name, put before every text. Default: the model's default prompt, if any. */
  readonly promptName?: string | undefined;
  /** A prompt given literally; not together with `promptName`. `''` for none at all. */
  readonly prompt?: string | undefined;
  /** The most tokens of a text, 1 to `info.maxPositionEmbeddings`. Default `info.maxLength`. */
  readonly maxLength?: number | undefined;
  /** Whether the last hidden state of every token comes too. Default `false`. */
  readonly hidden?: boolean | undefined;
  /** Whether the times of the call's parts come too, which costs a GPU one more wait. Default `false`. */
  readonly timing?: boolean | undefined;
  /** Whom it overtakes. Default `interactive` of one text or picture, `bulk` of several. */
  readonly priority?: Priority | undefined;
}

/** The vectors of inputs, in order. Plain arrays of yours: nothing to free. */
export interface Embeddings<P extends Precision = 'float32'> {
  /** The vectors, row-major. Vector `i` is `data.subarray(i * shape[1], (i + 1) * shape[1])`. */
  readonly data: VectorData[P];
  /**
   * Number of vectors, elements of `data` to a vector: one vector for each input unless there are `counts`; where an
   * element is eight bits, an eighth of the width.
   */
  readonly shape: readonly [number, number];
  /** The vectors of each input, which follow each other; there where the pooler may give several. */
  readonly counts?: readonly number[];
  /**
   * With `weights`: what each token of an input weighed in each of its vectors, `[counts[i] or 1, tokens[i]]` row-major;
   * 0 of tokens that pooling leaves out. Absent where tokens have no weight, as of `max`.
   */
  readonly weights?: readonly Float32Array[];
  /**
   * That the model's own files name another pooling: its vectors may be worse than those of `auto`. Told on the console
   * too, once.
   */
  readonly warning?: string;
  /** Tokens of each input: of a text with special ones, after cutting; of a picture prefix tokens and patches. */
  readonly tokens: readonly number[];
  /** Whether each text was longer than the limit and cut. Always `false` for pictures. */
  readonly truncated: readonly boolean[];
  /** The patches of each picture. Pictures only. */
  readonly grids?: readonly PatchGrid[];
  /** With `hidden`: the last hidden state of each input, `[tokens[i], info.hiddenSize]` row-major. */
  readonly hidden?: readonly Float32Array[];
  /** With `timing`: where the time went. */
  readonly timing?: Timing;
}

/** How to embed the chunks of a text. */
export interface EmbedChunksOptions extends Omit<EmbedOptions, 'hidden' | 'timing'> {
  /** How the text is cut. Default `{}`: see there. */
  readonly chunk?: ChunkOptions | undefined;
  /**
   * Whether the model reads the whole text, in windows if it is longer than the limit, and chunks are pooled from that,
   * so that each knows what stands around it (late chunking; Günther et al., 2024). `pooling` must be `mean` or `max`;
   * `auto` is the mean. Special tokens and a prompt are the first chunk's and the last's. Default `false`: each chunk is
   * read on its own.
   */
  readonly late?: boolean | undefined;
}

/** A part of a text. `start` and `end` are UTF-16 offsets, as `slice` takes them. */
export interface Chunk {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** The vectors of a text's chunks, as of so many inputs. */
export interface ChunkEmbeddings<P extends Precision = 'float32'> extends Omit<Embeddings<P>, 'grids' | 'hidden' | 'timing'> {
  /** The chunks, in order. */
  readonly chunks: readonly Chunk[];
}

/** Some vectors, row-major: how many, how wide. */
export interface Vectors {
  readonly data: Float32Array;
  readonly shape: readonly [number, number];
}

/**
 * A picture. PNG, JPEG, WebP and GIF (its first frame) are decoded alike in every browser, upright as their EXIF
 * orientation says. An address is fetched by the page's own rules.
 */
export type ImageInput =
  | string | URL
  | Blob
  | ImageBitmap | ImageData
  | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas;

/** A token of a text. Offsets are UTF-16 units, as `slice` takes them. */
export interface Token {
  readonly id: number;
  /** What it covers of `text`; empty for special tokens. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Whether the tokenizer added it, as `[CLS]`. */
  readonly special: boolean;
}

/** The part of a picture that the model saw, in its upright pixels. */
export interface Crop {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What the rows and columns of a map are: the tokens of a text, or of a picture. */
export type Layout =
  | {
      readonly kind: 'text';
      /** What was tokenized: the prompt, if there is one, and what you gave. */
      readonly text: string;
      readonly tokens: readonly Token[];
    }
  | {
      readonly kind: 'image';
      /** They come first; then the patches, from left to right and down. */
      readonly prefixTokens: readonly PrefixToken[];
      readonly grid: PatchGrid;
      readonly crop: Crop;
    };

/** How several heads become one map. */
export type HeadFusion = 'mean' | 'max' | 'min';

/**
 * What becomes of heads and layers.
 * - `none`: each head is a map.
 * - `mean`, `max`, `min`: one map a layer.
 * - `rollout`: one map through all layers: what each token took, by way of others, from the input (Abnar & Zuidema,
 *   2020). Computed on the device, unless there is a `discardRatio`.
 * - `flow`: the same as a maximum flow, of one `query`. Slow: about layers × tokens³ steps in the worker.
 */
export type Reduce = 'none' | HeadFusion | 'rollout' | 'flow';

/** Which maps. */
export interface AttentionOptions extends CallOptions {
  /** Layers counted from 0, in the order wanted; of a rollout or flow those that take part, in their own. Default all. */
  readonly layers?: 'all' | readonly number[] | undefined;
  /** Heads counted from 0, in the order wanted. Default all, and all where they are reduced. */
  readonly heads?: 'all' | readonly number[] | undefined;
  /** What becomes of heads and layers. Default `none`. */
  readonly reduce?: Reduce | undefined;
  /** Only what this token looked at, counted from 0: other rows never leave the device. Default all; `flow` needs it. */
  readonly query?: number | undefined;
  /** Of rollout and flow: how heads are fused. Default `mean`. */
  readonly fusion?: HeadFusion | undefined;
  /** Of rollout and flow: the share of the residual connection, 0 or more, less than 1. Default 0.5. */
  readonly residual?: number | undefined;
  /**
   * Of rollout and flow: the share of each layer's fused map, its lowest values, that is set to 0 before; 0 or more,
   * less than 1. Default 0. With it a rollout is computed in the worker, not on the device.
   */
  readonly discardRatio?: number | undefined;
  /** As in {@link EmbedOptions}. Texts only. */
  readonly promptName?: string | undefined;
  readonly prompt?: string | undefined;
  readonly maxLength?: number | undefined;
}

/**
 * What tokens looked at. Each row sums to 1, unless `reduce` is `max`, `min` or `flow`. Attention shows where information
 * was taken from; it is not an explanation of the result.
 */
export interface Attention {
  /** Row-major, in the order of `shape`. Map of layer `l`, head `h`: `data.subarray((l * H + h) * Q * T, …)`. */
  readonly data: Float32Array;
  /** Layers (1 of a rollout or flow), heads (1 where reduced), tokens that look (1 of a `query`), tokens looked at. */
  readonly shape: readonly [number, number, number, number];
  /** Which layers, or those that took part. */
  readonly layers: readonly number[];
  /** Which heads; empty where reduced. */
  readonly heads: readonly number[];
  /** What rows and columns are. */
  readonly layout: Layout;
}

/** Which token of which head, all counted from 0. */
export interface NeuronOptions extends CallOptions {
  readonly layer: number;
  readonly head: number;
  /** The token that looks. */
  readonly query: number;
  /** As in {@link EmbedOptions}. Texts only. */
  readonly promptName?: string | undefined;
  readonly prompt?: string | undefined;
  readonly maxLength?: number | undefined;
}

/** How one side of an explanation is embedded. Texts only. */
export interface SideOptions {
  /** As in {@link EmbedOptions}. */
  readonly promptName?: string | undefined;
  readonly prompt?: string | undefined;
  readonly maxLength?: number | undefined;
}

/** How the score to explain comes about. The defaults are those of an index. */
export interface ExplainOptions extends CallOptions {
  /** How the two vectors are compared. Default `cosine`. */
  readonly metric?: Exclude<Metric, 'euclidean'> | undefined;
  /** As in {@link EmbedOptions}, for both sides. */
  readonly pooling?: Pooling | undefined;
  readonly poolingWeights?: ArrayBuffer | Uint8Array | undefined;
  /** How the query is embedded. Default: as `embed` does. */
  readonly query?: SideOptions | undefined;
  /** How the passage is embedded. Default: as `embed` does. */
  readonly passage?: SideOptions | undefined;
}

/** What each token gave to a score. */
export interface ExplainedSide {
  /** The tokens. */
  readonly layout: Layout;
  /**
   * One number for each token; they sum to `score`. What a token gave is what its last hidden state gave, which took
   * from other tokens too. Tokens that pooling leaves out have 0; biases of Dense layers are shared out as pooling
   * weighs tokens. Absent where a vector is no sum over tokens: after pooling by the maximum, a Dense layer with an
   * activation, or SigLIP's head.
   */
  readonly contributions?: Float32Array;
  /**
   * How much pooling weighs each token, one number for each: `1 / tokens` of the mean, 1 for `[CLS]` alone of `cls`.
   * Absent after pooling by the maximum and SigLIP's head.
   */
  readonly poolWeights?: Float32Array;
}

/** A score and where it comes from: exact arithmetic, not a guess. */
export interface Explanation {
  /** The metric's value for the vectors that `embed` gives, so that of a hit of the index. */
  readonly score: number;
  /**
   * Row-major, in the order of `shape`: the cosine of the last hidden states of a token of the query and one of the
   * passage. If the query is a vector, its cosine with each token of the passage carried into the space of vectors as
   * if it were all there is: through the last LayerNorm and Dense layers, or SigLIP's head.
   */
  readonly similarity: Float32Array;
  /** Tokens of the query (1 if it is a vector), tokens of the passage. */
  readonly shape: readonly [number, number];
  /** The query, unless it is a vector. */
  readonly query?: ExplainedSide;
  readonly passage: ExplainedSide;
}

/** What to hide, and what to compare with. */
export interface OcclusionOptions extends CallOptions {
  /**
   * What the cosine is taken with: a text or picture, as the model reads, or a vector of its `embed` or that of the
   * other half of CLIP or SigLIP. A vector of another width is an `invalid_input` error. Default: the input itself.
   */
  readonly against?: string | ImageInput | Float32Array | undefined;
  /** Side of the square of patches hidden around each patch, 1 or more. Default 1. Pictures only. */
  readonly window?: number | undefined;
  /** As in {@link EmbedOptions}. Texts only. */
  readonly promptName?: string | undefined;
  readonly prompt?: string | undefined;
  readonly maxLength?: number | undefined;
}

/** How one token's attention in one head came about. `d` is the width of a head: `q.length`. */
export interface Neuron {
  /** The token's query, `[d]`. */
  readonly q: Float32Array;
  /** Every token's key, `[T, d]` row-major. */
  readonly k: Float32Array;
  /** `q·k / √d` for each token: the products of `q` and its key add up to it, scaled. */
  readonly scores: Float32Array;
  /** What the token looked at: the softmax of the scores of the tokens it sees; 0 for those it does not (CLIP's texts). */
  readonly probabilities: Float32Array;
  /** What the tokens are. */
  readonly layout: Layout;
}

/** How much each token or patch matters to a cosine, by trial. */
export interface Occlusion {
  /**
   * One number for each token: how far the cosine falls when it is hidden; below 0 where it rises. Tokens that cannot
   * be hidden have 0: special ones, those of the prompt, and prefix tokens of a picture.
   */
  readonly data: Float32Array;
  /** The cosine while nothing is hidden. */
  readonly score: number;
  readonly layout: Layout;
}
