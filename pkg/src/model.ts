import type { Client } from './client.js';
import { callback, choice, count, flag, options as checked, signal, text, texts as coerceTexts } from './coerce.js';
import { HeatseekError } from './errors.js';
import type { EmbedSettings } from './protocol.js';
import type { Embeddings, EmbedOptions, ModelInfo, PoolingName } from './types.js';

const POOLINGS: readonly PoolingName[] = [
  'auto', 'mean', 'cls', 'first_token', 'max', 'last', 'last_token', 'lasttoken', 'eos',
  'weightedmean', 'weighted_mean', 'mean_sqrt_len', 'mean_sqrt_len_tokens',
];

/** A loaded model. Made by `load`. Its calls run one at a time, in the order they were made. */
export class Model {
  #info: ModelInfo;
  /** @internal */
  readonly client: Client;

  /** @internal */
  constructor(client: Client, info: ModelInfo) {
    this.client = client;
    this.#info = info;
    client.onDevice = (device) => {
      this.#info = { ...this.#info, device };
    };
  }

  /** What it is and where it runs. `device` changes if a GPU is lost and the CPU takes over. */
  get info(): ModelInfo {
    return this.#info;
  }

  /**
   * Embeds texts. A text gets the same vector whatever it is batched with.
   *
   * @param texts one text, or any number of them; `[]` gives shape `[0, dim]`. Anything else in the array is an
   *   `invalid_input` error that names its place. A text longer than the limit is cut at the end.
   * @param options the defaults are the model's own settings
   * @returns one vector per text, in order
   *
   * @example
   * const { data, shape } = await model.embed(['bees', 'a beehive'], { normalize: true });
   */
  async embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Embeddings> {
    const following = checked('embed', options, [
      'pooling', 'normalize', 'promptName', 'prompt', 'maxLength', 'hidden', 'signal', 'onProgress',
    ]);
    const given = { signal: signal('signal', following.signal), onProgress: callback('onProgress', following.onProgress) };
    return this.client.call('embed', { texts: coerceTexts('texts', texts), settings: settings(following) }, given);
  }

  /**
   * Frees the model and ends its worker. Calls under way, and later ones, reject with code `disposed`; so do those
   * of its indexes. Doing it twice does nothing.
   */
  dispose(): void {
    this.client.end(new HeatseekError('disposed', 'the model was disposed of'));
  }

  /** As {@link Model.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function settings(given: EmbedOptions): EmbedSettings {
  const normalize = flag('normalize', given.normalize, undefined);
  const promptName = text('promptName', given.promptName);
  const prompt = text('prompt', given.prompt);
  const maxLength = count('maxLength', given.maxLength, 1, undefined);
  return {
    pooling: choice('pooling', given.pooling, POOLINGS, 'auto'),
    hidden: flag('hidden', given.hidden, false),
    ...(normalize === undefined ? {} : { normalize }),
    ...(promptName === undefined ? {} : { promptName }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(maxLength === undefined ? {} : { maxLength }),
  };
}
