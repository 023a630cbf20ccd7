/** How tokens become vectors: names, options, and what there is to know of each. */
import { invalid } from './coerce.js';

/** Every name of a pooler, in every spelling in use, as `model.poolers()` tells them; `auto` is the model's own. */
export const POOLINGS = [
  'auto',
  'mean', 'cls', 'first_token', 'max', 'last', 'last_token', 'lasttoken', 'eos', 'weightedmean', 'weighted_mean',
  'mean_sqrt_len', 'mean_sqrt_len_tokens', 'mean_sqrt', 'none', 'tokens', 'span', 'landmark', 'lmk', 'cluster',
  'token_pooling', 'layer', 'layers', 'max_cls', 'maxcls', 'map_weighted', 'attention_weighted', 'max_seq_mha',
  'maxseq_mha', 'gram', 'second_order', 'gram_cls', 'multi_source', 'levels', 'latent_layers', 'latent_tokens',
  'stats', 'statistics', 'gem', 'ggem', 'mixed', 'gated_mix', 'gated', 'tree', 'score_pool', 'attentive', 'branches',
  'attn_stats', 'drasp', 'gauss', 'gaam', 'qkv_pool', 'adapool', 'qkv', 'cls_mha', 'group_query', 'mhap', 'simpool',
  'pma', 'bottleneck', 'tab', 'random_attention',
] as const;

/** The name of a pooler, in every spelling in use; `auto` is the model's own. `model.poolers()` says what each does. */
export type PoolingName = (typeof POOLINGS)[number];

/**
 * How tokens become a vector: a pooler by name, or with its options, e.g. `{ name: 'gem', p: 3 }`. Options are strings,
 * numbers, booleans or arrays, which may be of arrays; one that the pooler does not have, or a value it does not take, is an
 * `invalid_input` error that names those there are. Characters, as `span` counts them, are code points: `[...text]`.
 */
export type Pooling = PoolingName | { readonly name: PoolingName; readonly [option: string]: unknown };

/** What there is to know of a pooler. */
export interface PoolerInfo {
  /** Its name here. */
  readonly name: PoolingName;
  /** Other names it is known by; each works as well. */
  readonly aliases: readonly PoolingName[];
  /** The papers it is from, by their row in the table of mechanisms. */
  readonly papers: readonly { readonly row: number; readonly title: string }[];
  /** What is computed, of the states `x_t` of `n` tokens. */
  readonly equation: string;
  /** Its options, each with its default, in words; empty if there are none. */
  readonly options: string;
  /** The tensors of `poolingWeights`, with their shapes, in words; empty if there are none. */
  readonly tensors: string;
  /**
   * Whether it works without `poolingWeights`.
   * - `training-free`: it has none.
   * - `either`: it has an honest form without, and another with.
   * - `learned`: only with them.
   */
  readonly kind: 'training-free' | 'either' | 'learned';
  /** What to expect of it. */
  readonly expect: string;
  /**
   * Whether it is computed with the model on its device, by its default options; others are computed from states read
   * back. Absent of learned ones, where the weights decide.
   */
  readonly device?: boolean;
  /** Whether an input may get several vectors, by default, to be compared by `maxSim`. Absent of learned ones. */
  readonly several?: boolean;
}

/** A pooling as it is posted: a name, or a name with options that can be cloned. `auto` has none. */
export function pooling(given: Pooling | undefined): Pooling {
  if (given === undefined) return 'auto';
  if (typeof given === 'string') return known('pooling', given);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalid('pooling', given, "a name, or an object such as { name: 'gem', p: 3 }");
  }
  const { name, ...rest } = given;
  const options = Object.entries(rest).filter(([, value]) => value !== undefined);
  for (const [option, value] of options) checkOption(`pooling.${option}`, value);
  known('pooling.name', name);
  const first = options[0];
  if (!first) return name;
  if (name === 'auto') throw invalid(`pooling.${first[0]}`, first[1], "no options with the name 'auto'");
  return { name, ...Object.fromEntries(options) };
}

function known(what: string, name: unknown): PoolingName {
  if ((POOLINGS as readonly unknown[]).includes(name)) return name as PoolingName;
  throw invalid(what, name, `one of ${POOLINGS.join(', ')}`);
}

/** Fails unless `value` means the same in JSON. */
function checkOption(what: string, value: unknown): void {
  if (Array.isArray(value)) return value.forEach((part, at) => checkOption(`${what}[${at}]`, part));
  const plain = typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
  if (!plain) throw invalid(what, value, 'a string, a number, true, false or an array of these');
}
