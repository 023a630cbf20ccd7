/** Poolers by what they do, for people who choose among them. */

import type { PoolerInfo } from 'heatseek';

const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ['One token, or all alike', ['mean', 'cls', 'max', 'last', 'weightedmean', 'mean_sqrt_len', 'span']],
  ['Powers, moments and mixtures', ['gem', 'stats', 'mixed', 'gated_mix', 'tree', 'gram']],
  ['Tokens weighed by attention', ['qkv_pool', 'simpool', 'cls_mha', 'group_query', 'map_weighted', 'score_pool', 'pma', 'bottleneck', 'gram_cls', 'attn_stats', 'branches']],
  ['Several layers', ['layer', 'max_cls', 'max_seq_mha', 'levels', 'multi_source', 'latent_layers', 'latent_tokens']],
  ['Several vectors', ['none', 'cluster', 'landmark']],
];

export interface Group {
  readonly name: string;
  readonly poolers: readonly PoolerInfo[];
}

/** Those that work without learned weights, in groups; one that no group knows is in the last. */
export function grouped(poolers: readonly PoolerInfo[]): Group[] {
  const free = poolers.filter(({ kind }) => kind !== 'learned');
  const known = new Set(GROUPS.flatMap(([, names]) => names));
  const groups = GROUPS.map(([name, names]) => ({ name, poolers: free.filter((pooler) => names.includes(pooler.name)) }));
  return [...groups, { name: 'Others', poolers: free.filter(({ name }) => !known.has(name)) }].filter((group) => group.poolers.length > 0);
}
