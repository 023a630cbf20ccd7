/** Poolers by what they do, for people who choose among them. */

import type { PoolerInfo } from 'heatseek';

const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ['One token, or all alike', ['mean', 'cls', 'max', 'last', 'weightedmean', 'mean_sqrt_len', 'span']],
  ['Powers, moments and mixtures', ['gem', 'mixed', 'stats', 'gram', 'gauss', 'gated_mix', 'tree', 'attn_stats']],
  ['Tokens weighed by what they are like', ['qkv_pool', 'simpool', 'cls_mha', 'group_query', 'random_attention', 'bottleneck', 'score_pool', 'pma', 'gram_cls']],
  ['Tokens weighed by attention', ['map_weighted', 'multi_source', 'landmark']],
  ['Several layers', ['layer', 'max_cls', 'max_seq_mha', 'levels', 'latent_layers', 'latent_tokens']],
  ['Several vectors', ['none', 'cluster']],
];

export interface Group {
  readonly name: string;
  readonly poolers: readonly PoolerInfo[];
}

/** Those that work without learned weights, in groups; one that no group knows is in the last. */
export function grouped(poolers: readonly PoolerInfo[]): Group[] {
  const free = poolers.filter(({ kind }) => kind !== 'learned');
  const known = new Set(GROUPS.flatMap(([, names]) => names));
  const groups = GROUPS.map(([name, names]) => ({ name, poolers: names.flatMap((own) => free.find((pooler) => pooler.name === own) ?? []) }));
  return [...groups, { name: 'Others', poolers: free.filter(({ name }) => !known.has(name)) }].filter((group) => group.poolers.length > 0);
}
