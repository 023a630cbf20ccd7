/**
 * Every message between the page and the engine, in one place for both ends. Requests carry an id that their
 * progress and their one answer repeat; big buffers are transferred.
 */
import type { Analysis } from './analysis.js';
import type { ErrorData } from './errors.js';
import type { ScanOn, VectorStorage } from './index-types.js';
import type { Keeping } from './kept-index.js';
import type { PoolerInfo, Pooling } from './pooling.js';
import type { Progress } from './progress.js';
import type { LoadSpan } from './timing.js';
import type {
  Attention, ChunkEmbeddings, Device, DeviceInfo, Embeddings, Explanation, HeadFusion, Metric, ModelInfo, Neuron, Occlusion,
  Precision, Priority, Ranges, Reduce, Tune,
} from './types.js';

/** Where the files of a model are. */
export type PostedSource = RemoteSource | LocalSource;

/** Files that are fetched. */
export interface RemoteSource {
  /** The address of their folder: absolute, ends in a slash, has no query. */
  readonly base: string;
  /** What is put behind the address of each file. Maybe a secret: for requests only. */
  readonly query: string;
  /** Whether the files at `base` can never change, as those of a hub commit. */
  readonly immutable: boolean;
  /** Sent with each request. Secrets too. */
  readonly headers?: Record<string, string>;
  /** The address of the hub's list of them. */
  readonly listing?: string;
}

/** Files that the user has. */
export interface LocalSource {
  readonly files: ReadonlyMap<string, Blob> | FileSystemDirectoryHandle;
}

/** From the engine to the page that fetches for it. What is read is of the answer to the request of the same id. */
export type ToLender =
  | { type: 'fetch'; id: number; url: string; method: 'GET' | 'HEAD'; headers: Record<string, string> }
  | { type: 'read'; id: number }
  | { type: 'cancel'; id: number };

/** From the page that fetches for the engine. */
export type FromLender =
  | { type: 'answer'; id: number; status: number; statusText: string; headers: [string, string][] }
  /** More of the body; no chunk at its end. */
  | { type: 'chunk'; id: number; chunk?: Uint8Array<ArrayBuffer> }
  /** What the caller's own function threw; data if it is an error of ours. */
  | { type: 'failed'; id: number; message: string; error?: ErrorData };

/** What weights can be stored as, by the engine's names. */
export type StoredDtype = 'f32' | 'f16' | 'int8';

/** The engine's code. Never a Response, which cannot be posted. */
export type WasmSource = string | WebAssembly.Module | BufferSource;

/** The engine's code, built for every browser and for those that have relaxed SIMD. */
export interface WasmSources {
  readonly baseline: WasmSource;
  readonly relaxed: WasmSource | undefined;
}

/** The same, and what only some models need: see the crate heatseek-extras. */
export interface AllWasmSources extends WasmSources {
  readonly extras: WasmSource;
}

/** Options of an embed call, coerced. Left out means the model's own, or the default. */
export interface EmbedSettings {
  readonly pooling: Pooling;
  readonly poolingWeights?: Uint8Array;
  readonly includePrompt?: boolean;
  readonly normalize?: boolean;
  readonly truncateDim?: number;
  readonly precision?: Precision;
  readonly ranges?: Ranges;
  readonly weights?: boolean;
  readonly promptName?: string;
  readonly prompt?: string;
  readonly maxLength?: number;
  readonly hidden: boolean;
  /** There if it is asked for. */
  readonly timing?: true;
}

/** A picture as it is posted: an absolute address, a file, or pixels. */
export type PostedImage = string | Blob | ImageBitmap | ImageData;

/** A picture as the engine's core takes it: a file, or RGBA pixels that are not premultiplied. */
export type RawPicture =
  | { readonly bytes: Uint8Array }
  | { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray };

/** Options of an attention call, coerced. Left out means all. */
export interface AttentionSettings {
  readonly layers?: readonly number[];
  readonly heads?: readonly number[];
  readonly reduce: Reduce;
  readonly query?: number;
  readonly fusion: HeadFusion;
  readonly residual: number;
  readonly discardRatio: number;
}

/** Options of a neuron call, coerced. */
export interface NeuronSettings {
  readonly layer: number;
  readonly head: number;
  readonly query: number;
}

/** Options of an explain call, coerced. */
export interface ExplainSettings {
  readonly query: EmbedSettings;
  readonly passage: EmbedSettings;
  readonly metric: Metric;
}

/** Options of an analysis, coerced. Left out means all. */
export interface AnalysisSettings {
  readonly layers?: readonly number[];
}

/** How a text is cut, coerced. */
export interface ChunkSettings {
  readonly tokens: number;
  readonly overlap: number;
  readonly characters?: number;
  readonly sentences?: number;
  readonly markdown: boolean;
}

/** Options of an index, coerced. Left out means the model's own. */
export interface IndexSettings {
  readonly storage: VectorStorage;
  readonly metric: Metric;
  readonly scan: ScanOn;
  readonly pooling: Pooling;
  readonly poolingWeights?: Uint8Array;
  readonly includePrompt?: boolean;
  readonly truncateDim?: number;
  readonly late: boolean;
}

/** A document as the engine has it: its metadata as JSON. */
export interface IndexedText {
  readonly id: string;
  readonly text: string;
  readonly metadata?: string;
}

/** Options of a search, coerced, but for the second stage. Left out means none. */
export interface SearchSettings {
  readonly topK: number;
  /** JSON. */
  readonly filter?: string;
  readonly hybrid?: { readonly fusion: 'rrf' | 'scores'; readonly k: number; readonly weight: number };
  readonly perDocument?: number;
  readonly threshold?: number;
  readonly diversity?: number;
  readonly oversampling?: number;
}

/** A hit as the engine gives it; the page keeps the documents. */
export interface RawHit {
  readonly id: string;
  readonly score: number;
  readonly chunk: { readonly text: string; readonly start: number; readonly end: number };
}

/** What a search found; `gpuBytes` is what of the vectors is on the GPU. */
export interface Found {
  readonly hits: readonly RawHit[];
  readonly gpuBytes: number;
}

/** Values of a field, as JSON, and how many documents have each. */
export interface RawFacet {
  readonly field: string;
  readonly values: readonly { readonly value: string; readonly count: number }[];
}

/** What can be asked of the engine, by name: arguments and answer. */
export interface Calls {
  load: {
    args: {
      source: PostedSource;
      /** To who fetches, if that is the page. */
      lender: MessagePort | undefined;
      retries: number;
      wasm: AllWasmSources;
      device: Device;
      dtype: StoredDtype | 'auto';
      threads: number | undefined;
      cache: boolean;
      sha256: Readonly<Record<string, string>>;
      input: 'text' | 'image' | undefined;
      tune: Tune;
    };
    /**
     * With when what was done, by the clock of timing.ts, how many threads the CPU kernels have, where they run, and what
     * the caller should know.
     */
    result: { info: ModelInfo; timeline: readonly LoadSpan[]; threads: number | undefined; warnings: readonly string[] };
  };
  poolers: { args: Record<never, never>; result: readonly PoolerInfo[] };
  embed: { args: { texts: readonly string[]; settings: EmbedSettings }; result: Embeddings<Precision> };
  'embed-images': { args: { images: readonly PostedImage[]; settings: EmbedSettings }; result: Embeddings<Precision> };
  'embed-chunks': {
    args: { text: string; chunk: ChunkSettings; late: boolean; settings: EmbedSettings };
    result: ChunkEmbeddings<Precision>;
  };
  attention: { args: { text: string; settings: AttentionSettings; embed: EmbedSettings }; result: Attention };
  neuron: { args: { text: string; settings: NeuronSettings; embed: EmbedSettings }; result: Neuron };
  'neuron-image': { args: { image: PostedImage; settings: NeuronSettings }; result: Neuron };
  'attention-image': { args: { image: PostedImage; settings: AttentionSettings }; result: Attention };
  explain: {
    args: { query: string | Float32Array; passage: string; settings: ExplainSettings };
    result: Explanation;
  };
  'explain-image': {
    args: { query: PostedImage | Float32Array; passage: PostedImage; settings: ExplainSettings };
    result: Explanation;
  };
  occlusion: {
    args: { text: string; against: string | Float32Array | undefined; embed: EmbedSettings };
    result: Occlusion;
  };
  'occlusion-image': {
    args: { image: PostedImage; against: PostedImage | Float32Array | undefined; window: number; embed: EmbedSettings };
    result: Occlusion;
  };
  analyze: { args: { text: string; settings: AnalysisSettings; embed: EmbedSettings }; result: Analysis };
  'analyze-image': { args: { image: PostedImage; settings: AnalysisSettings }; result: Analysis };
  'index-create': {
    /** With a name it is kept; `from` is one that was exported; `recover` gives up a last change that is damaged, `verify` looks for it. */
    args: { settings: IndexSettings; name?: string; from?: Blob; recover: boolean; verify: boolean };
    result: { index: number; documents: readonly IndexedText[]; keeping: Keeping; lost: readonly string[]; warning: string | undefined };
  };
  'index-add': { args: { index: number; documents: readonly IndexedText[]; chunk: ChunkSettings | false }; result: Keeping };
  'index-search': {
    args: { index: number; query: string; settings: SearchSettings; rerank: Uint8Array | undefined };
    result: Found;
  };
  'index-remove': { args: { index: number; ids: readonly string[] }; result: { count: number; keeping: Keeping } };
  'index-facets': {
    args: { index: number; fields: readonly string[]; filter: string | undefined; top: number };
    result: readonly RawFacet[];
  };
  'index-export': { args: { index: number }; result: Uint8Array<ArrayBuffer> };
  'index-dispose': { args: { index: number }; result: undefined };
}

/** The name of a call. */
export type CallName = keyof Calls;

/** A call under way; with `quiet` nobody listens to its progress. Without a `priority` it has that of its kind. */
export type Request = { [Name in CallName]: { type: Name; id: number; quiet?: true; priority?: Priority } & Calls[Name]['args'] }[CallName];

/** From the page. */
export type ToEngine =
  | Request
  /** Stop the call of this id, queued or running. */
  | { type: 'abort'; id: number }
  /** Stop everything and free the model. */
  | { type: 'dispose' };

/** From the engine. */
export type FromEngine =
  /** The worker's script runs. */
  | { type: 'ready' }
  /**
   * The model runs on another device now, for its own was lost, or with other kernels. Comes before the answer of the
   * call that saw it.
   */
  | { type: 'device'; device: DeviceInfo }
  | { type: 'progress'; id: number; progress: Progress }
  | { type: 'result'; id: number; value: Calls[CallName]['result'] }
  | { type: 'error'; id: number; error: ErrorData };

/** The buffers of an answer that move instead of being copied: those of all its typed arrays. */
export function transfers(value: Calls[CallName]['result']): Transferable[] {
  const found = new Set<Transferable>();
  const collect = (part: unknown): void => {
    if (ArrayBuffer.isView(part)) found.add(part.buffer as ArrayBuffer);
    else if (typeof part === 'object' && part !== null) Object.values(part).forEach(collect);
  };
  collect(value);
  return [...found];
}
