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
  ExplainedSide,
  ExplainOptions,
  Explanation,
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
  Occlusion,
  OcclusionOptions,
  PatchGrid,
  PoolingName,
  PrefixToken,
  Reduce,
  SearchOptions,
  SideOptions,
  Token,
} from './types.js';
export { version } from './version.js';
