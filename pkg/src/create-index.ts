import { blob } from './blobs.js';
import { bytes, choice, count, flag, invalid, options as checked } from './coerce.js';
import { revived } from './documents.js';
import { Index } from './search-index.js';
import { Model } from './model.js';
import { pooling } from './pooling.js';
import { defined, follow } from './settings.js';
import { indexName } from './stored-indexes.js';
import type { IndexOptions, Metric, ScanOn, VectorStorage } from './types.js';

const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];
const STORAGES: readonly VectorStorage[] = ['f32', 'f16', 'int8', 'binary'];
const SCANS: readonly ScanOn[] = ['auto', 'gpu', 'cpu'];

/**
 * Makes an index that searches by meaning, or opens one that the browser keeps. A model may have several; when it is
 * disposed of they are closed.
 *
 * @param options `model`: the model that embeds documents and queries; `name`: keeps the index in the browser; `from`: what
 *   was exported; `storage`, `metric` and `scan`: how vectors are kept and compared, and where; how they are made: `pooling`,
 *   `poolingWeights`, `includePrompt`, `truncateDim`, `late`
 *
 * @example
 * const index = await createIndex({ model, name: 'notes' });
 * if (index.size === 0) await index.add(['Bees dance to tell where flowers are.', 'Bread rises because yeast makes gas.']);
 * const [best] = await index.search('how do bees navigate');
 */
export async function createIndex(options: IndexOptions & { readonly model: Model }): Promise<Index> {
  const given = checked('createIndex', options, [
    'model', 'name', 'from', 'storage', 'metric', 'scan', 'pooling', 'poolingWeights', 'includePrompt', 'truncateDim', 'late', 'recover', 'verify', 'signal', 'onProgress',
  ]);
  const { model } = given;
  if (!(model instanceof Model)) throw invalid('model', model, 'a model made by load()');
  const settings = {
    storage: choice('storage', given.storage, STORAGES, 'f32'),
    metric: choice('metric', given.metric, METRICS, 'cosine'),
    scan: choice('scan', given.scan, SCANS, 'auto'),
    pooling: pooling(given.pooling),
    late: flag('late', given.late, false),
    ...defined({
      poolingWeights: bytes('poolingWeights', given.poolingWeights),
      includePrompt: flag('includePrompt', given.includePrompt, undefined),
      truncateDim: count('truncateDim', given.truncateDim, 1, undefined),
    }),
  };
  const where = defined({
    name: given.name === undefined ? undefined : indexName('name', given.name),
    from: given.from === undefined ? undefined : blob('from', given.from),
  });
  const following = { ...follow(given), settled: true };
  const recover = flag('recover', given.recover, false);
  const verify = flag('verify', given.verify, false);
  const { index, documents, keeping, lost, warning } = await model.client.call('index-create', { settings, ...where, recover, verify }, following);
  model.warn(warning);
  for (const what of lost) model.warn(`the index '${where.name}' is as it was before its last change (${what})`);
  // Asks the browser not to clear what it keeps when space is short. It may ask the user, so it is not waited for.
  if (keeping.persisted !== 'memory') globalThis.navigator?.storage?.persist?.().catch(() => {});
  return new Index(model, { index, settings, lost, ...where }, documents.map(revived), keeping);
}
