/** The options of poolers that can be turned on the page; what is not here keeps its default. */

import type { ModelInfo } from 'heatseek';

/** The value of an option, as the package takes it. */
export type Value = number | string | boolean | readonly number[];

export interface Knob {
  readonly option: string;
  /** A slider through numbers in their order, or a choice of words. */
  readonly kind: 'dial' | 'switch';
  readonly values: readonly Value[];
  /** What it is at when the option is not given: one of the values. */
  readonly initial: Value;
}

/** Groups and heads of more channels than this are too many to tell apart by. */
const MOST_GROUPS = 48;

/** From `low` to `high` in steps; steps are whole or halves or such, and add up without rounding. */
function steps(low: number, high: number, step = 1): number[] {
  return Array.from({ length: Math.round((high - low) / step) + 1 }, (_, at) => Number((low + at * step).toFixed(4)));
}

/** The numbers of equal parts that `width` channels can be cut into. */
function parts(width: number): number[] {
  return steps(1, Math.min(width, MOST_GROUPS)).filter((count) => width % count === 0);
}

function dial(option: string, values: readonly Value[], initial: Value): Knob {
  return { option, kind: 'dial', values, initial };
}

function words(option: string, ...values: readonly [Value, ...Value[]]): Knob {
  return { option, kind: 'switch', values, initial: values[0] };
}

type Sizes = Pick<ModelInfo, 'hiddenSize' | 'numHiddenLayers'>;

const KNOBS: Readonly<Record<string, (sizes: Sizes) => readonly Knob[]>> = {
  gem: () => [dial('p', steps(0.5, 8, 0.5), 3), words('positive', 'clamp', 'shift', 'signed')],
  mixed: () => [dial('a', steps(0, 1, 0.05), 0.5)],
  qkv_pool: ({ hiddenSize }) => [words('query', 'mean', 'cls', 'last'), dial('heads', parts(hiddenSize), 1)],
  cls_mha: ({ hiddenSize }) => [dial('heads', parts(hiddenSize), 4)],
  group_query: ({ hiddenSize }) => [dial('groups', parts(hiddenSize), 4)],
  simpool: ({ hiddenSize }) => [dial('gamma', steps(0, 4, 0.25), 0), dial('heads', parts(hiddenSize), 1)],
  random_attention: () => [dial('features', [1, 4, 16, 64, 256], 64)],
  max_cls: ({ numHiddenLayers }) => [dial('k', steps(1, numHiddenLayers), 3)],
  max_seq_mha: ({ hiddenSize, numHiddenLayers }) => [
    dial('k', steps(1, numHiddenLayers), 3), dial('heads', parts(hiddenSize), 4),
  ],
  // Layers are counted from the embeddings, 0.
  layer: ({ numHiddenLayers }) => [
    dial('layers', ['first_last', ...steps(0, numHiddenLayers).map((layer) => [layer])], 'first_last'),
    words('mix', 'mean', 'max'), words('tokens', 'mean', 'max', 'cls'),
  ],
  map_weighted: ({ numHiddenLayers }) => [
    words('source', 'cls', 'rollout'), dial('layer', steps(0, numHiddenLayers - 1), numHiddenLayers - 1),
  ],
  levels: () => [words('kind', 'gate', 'scales', 'task', 'gate_task')],
  multi_source: () => [words('kind', 'flat', 'hierarchical')],
  cluster: () => [dial('k', steps(1, 12), 8), words('kind', 'kmeans', 'kmedoids'), words('weight', 'even', 'significance')],
  gram: () => [dial('r', [2, 4, 8, 16, 32], 16)],
  landmark: () => [dial('every', steps(4, 64, 4), 32), words('several', false, true)],
};

/** The knobs of a pooler. */
export function knobsOf(name: string, sizes: Sizes): readonly Knob[] {
  return Object.hasOwn(KNOBS, name) ? (KNOBS[name]?.(sizes) ?? []) : [];
}

/** A value in words: `3`, `clamp`, `1+6`. */
export function written(value: Value): string {
  return typeof value === 'object' ? value.join('+') : String(value);
}
