export { createIndex } from './create-index.js';
export type { Index } from './create-index.js';
export { HeatseekError } from './errors.js';
export type { ErrorCode } from './errors.js';
export { load } from './load.js';
export type { Model } from './model.js';
export type { Progress, ProgressCallback, Stage } from './progress.js';
export type {
  AddOptions,
  CallOptions,
  ChunkOptions,
  Device,
  DeviceInfo,
  Document,
  DocumentInput,
  Dtype,
  Embeddings,
  EmbedOptions,
  Hit,
  IndexOptions,
  LoadOptions,
  Metric,
  ModelInfo,
  PoolingName,
  SearchOptions,
} from './types.js';
export { version } from './version.js';
