/** Options of embedding, made into the settings that are posted. */
import type { Following } from './client.js';
import { bytes, callback, choice, count, flag, floats, invalid, options as checked, signal, text } from './coerce.js';
import { pooling } from './pooling.js';
import type { EmbedSettings } from './protocol.js';
import type { CallOptions, EmbedOptions, Precision, Priority, Ranges } from './types.js';

/** Options of embedding pictures. */
export const OF_IMAGES = [
  'pooling', 'poolingWeights', 'normalize', 'truncateDim', 'precision', 'ranges', 'weights', 'hidden', 'timing', 'priority',
  'signal', 'onProgress',
] as const;
/** Options of embedding texts. */
export const OF_TEXTS = [...OF_IMAGES, 'includePrompt', 'promptName', 'prompt', 'maxLength'] as const;

const PRECISIONS: readonly Precision[] = ['float32', 'int8', 'uint8', 'binary', 'ubinary'];

/** Settings that say only what was asked for. */
export function settings(given: EmbedOptions): EmbedSettings {
  const precision = choice('precision', given.precision, PRECISIONS, 'float32');
  return {
    pooling: pooling(given.pooling),
    hidden: flag('hidden', given.hidden, false),
    ...defined({
      poolingWeights: bytes('poolingWeights', given.poolingWeights),
      includePrompt: flag('includePrompt', given.includePrompt, undefined),
      normalize: flag('normalize', given.normalize, undefined),
      truncateDim: count('truncateDim', given.truncateDim, 1, undefined),
      precision: precision === 'float32' ? undefined : precision,
      ranges: ranges(given.ranges, precision),
      weights: flag('weights', given.weights, false) || undefined,
      timing: flag('timing', given.timing, false) || undefined,
      promptName: text('promptName', given.promptName),
      prompt: text('prompt', given.prompt),
      maxLength: count('maxLength', given.maxLength, 1, undefined),
    }),
  };
}

const PRIORITIES: readonly Priority[] = ['interactive', 'bulk'];

/** How to follow and stop a call, and whom it overtakes. */
export function follow(given: CallOptions & { readonly priority?: Priority | undefined }): Following {
  return {
    signal: signal('signal', given.signal),
    onProgress: callback('onProgress', given.onProgress),
    priority: choice('priority', given.priority, PRIORITIES, undefined),
  };
}

/** `all` without what is undefined in it. */
export function defined<T extends object>(all: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as ReturnType<typeof defined<T>>;
}

function ranges(given: Ranges | undefined, precision: Precision): Ranges | undefined {
  if (given === undefined) return undefined;
  if (precision !== 'int8' && precision !== 'uint8') {
    throw invalid('precision', precision, "'int8' or 'uint8', which ranges are for");
  }
  const { min, max } = checked('ranges', given, ['min', 'max']);
  const whole = { min: floats('ranges.min', min), max: floats('ranges.max', max) };
  if (whole.min.length !== whole.max.length) {
    throw invalid('ranges.max.length', whole.max.length, `that of ranges.min, ${whole.min.length}`);
  }
  return whole;
}
