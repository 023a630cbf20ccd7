export type {
  Analysis, AnalysisOptions, HeadOffset, LayerGraph, RankCurves, Shaped, Sink,
} from './analysis.js';
export { createIndex } from './create-index.js';
export type { Index } from './create-index.js';
export { HeatseekError } from './errors.js';
export type { ErrorCode } from './errors.js';
export { load } from './load.js';
export type { Model } from './model.js';
export type { Progress, ProgressCallback, Stage } from './progress.js';
export type {
  AddOptions,
  Attention,
  AttentionOptions,
  CallOptions,
  ChunkOptions,
  Crop,
  Device,
  DeviceInfo,
  Document,
  DocumentInput,
  Dtype,
  Embeddings,
  EmbedOptions,
  HeadFusion,
  Hit,
  ImageInput,
  IndexOptions,
  Layout,
  LoadOptions,
  Metric,
  ModelInfo,
  Neuron,
  NeuronOptions,
  PatchGrid,
  PoolingName,
  PrefixToken,
  Reduce,
  SearchOptions,
  Token,
} from './types.js';
export { version } from './version.js';
