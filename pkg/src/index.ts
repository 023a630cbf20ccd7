export type {
  Analysis, AnalysisOptions, HeadOffset, LayerGraph, RankCurves, Shaped, Sink,
} from './analysis.js';
export { clearCache, deleteCached, isCached, listCached } from './cached.js';
export type { CachedFile, CachedModel, CachedOptions } from './cached.js';
export { createIndex } from './create-index.js';
export { HeatseekError } from './errors.js';
export type { ErrorCode } from './errors.js';
export { load } from './load.js';
export { maxSim } from './max-sim.js';
export type { Model } from './model.js';
export type { PoolerInfo, Pooling, PoolingName } from './pooling.js';
export type { Progress, ProgressCallback, Stage } from './progress.js';
export type { Index } from './search-index.js';
export { deleteIndex, listIndexes } from './stored-indexes.js';
export type { LoadSpan, LoadStep, Timing } from './timing.js';
export type {
  AddOptions,
  Attention,
  AttentionOptions,
  CallOptions,
  Chunk,
  ChunkEmbeddings,
  ChunkOptions,
  Crop,
  Device,
  DeviceInfo,
  Document,
  DocumentInput,
  Dtype,
  EmbedChunksOptions,
  Embeddings,
  EmbedOptions,
  ExplainedSide,
  ExplainOptions,
  Explanation,
  Facet,
  FacetOptions,
  FieldFilter,
  FieldOperators,
  Filter,
  Fetch,
  FetchInit,
  HeadFusion,
  Hit,
  HybridOptions,
  ImageInput,
  IndexOptions,
  JsonValue,
  KernelChoice,
  Layout,
  LoadOptions,
  Metric,
  ModelFiles,
  ModelInfo,
  ModelSource,
  Neuron,
  NeuronOptions,
  Occlusion,
  OcclusionOptions,
  PatchGrid,
  Persisted,
  Precision,
  PrefixToken,
  Priority,
  Ranges,
  Reduce,
  RequestHeaders,
  ScanOn,
  SearchOptions,
  SideOptions,
  StopOptions,
  StoredIndex,
  Token,
  Tune,
  VectorData,
  Vectors,
  VectorStorage,
  WasmInput,
  WorkerThread,
} from './types.js';
export { version } from './version.js';
