import type { Analysis, AnalysisOptions } from './analysis.js';
import type { Client } from './client.js';
import { choice, count, flag, invalid, options as checked, share, texts as coerceTexts } from './coerce.js';
import { chunking } from './documents.js';
import { HeatseekError } from './errors.js';
import { images as coerceImages } from './images.js';
import type { PoolerInfo } from './pooling.js';
import type { PostedImage } from './protocol.js';
import type { Fleet } from './fleet.js';
import { OF_IMAGES, OF_TEXTS, follow, settings } from './settings.js';
import type { LoadSpan } from './timing.js';
import type {
  Attention, AttentionOptions, ChunkEmbeddings, EmbedChunksOptions, Embeddings, EmbedOptions, ExplainOptions, Explanation,
  HeadFusion, ImageInput, Metric, ModelInfo, Neuron, NeuronOptions, Occlusion, OcclusionOptions, Precision, Reduce, SideOptions,
} from './types.js';

const METRICS: readonly Metric[] = ['cosine', 'dot'];
const REDUCTIONS: readonly Reduce[] = ['none', 'mean', 'max', 'min', 'rollout', 'flow'];
const FUSIONS: readonly HeadFusion[] = ['mean', 'max', 'min'];

/** A loaded model. Made by `load`. Its calls run in the order they were made, but for those that overtake: see {@link Priority}. */
export class Model {
  #info: ModelInfo;
  /** What `load` did when, in milliseconds since it was called. Steps that take place at the same time overlap. */
  readonly timeline: readonly LoadSpan[];
  /**
   * What went not as it should while loading, though well enough: that the browser had no room to keep files. The console
   * has it too. Empty as a rule.
   */
  readonly warnings: readonly string[];
  /** Warnings that the console has. */
  readonly #warned = new Set<string>();
  readonly #fleet: Fleet;
  /** @internal */
  readonly client: Client;

  /** @internal */
  constructor(fleet: Fleet, info: ModelInfo, timeline: readonly LoadSpan[] = [], warnings: readonly string[] = []) {
    const client = (this.client = fleet.first);
    this.#fleet = fleet;
    this.timeline = timeline;
    this.#info = info;
    client.onDevice = (device) => {
      this.#info = { ...this.#info, device };
    };
    this.warnings = warnings;
    for (const warning of warnings) this.warn(warning);
  }

  /** What it is and where it runs. `device` changes if a GPU is lost and the CPU takes over. */
  get info(): ModelInfo {
    return this.#info;
  }

  /**
   * Embeds texts or pictures. Each gets the same vector whatever it is batched with.
   *
   * @param input one text or picture, or any number of them; `[]` gives shape `[0, dim]`. Anything else in the array
   *   is an `invalid_input` error that names its place. A text longer than the limit is cut at the end. To a model
   *   of pictures a string is an address, relative to the page.
   * @param options the defaults are the model's own settings; prompts and lengths are for texts only
   * @returns one vector per input, in order; with a pooler that gives several, `counts` says how many each has
   *
   * @example
   * const { data, shape } = await model.embed(['bees', 'a beehive'], { normalize: true });
   * const { counts, weights } = await model.embed('bees', { pooling: { name: 'gem', p: 3 }, weights: true });
   */
  async embed<P extends Precision = 'float32'>(
    input: string | readonly string[] | ImageInput | readonly ImageInput[],
    options?: EmbedOptions & { readonly precision?: P | undefined },
  ): Promise<Embeddings<P>> {
    const reads = this.#info.input;
    const following = checked('embed', options, reads === 'image' ? OF_IMAGES : OF_TEXTS);
    const given = follow(following);
    if (reads === 'image') {
      const images = await coerceImages('images', input);
      return this.#told<Embeddings<P>>(this.client.call('embed-images', { images, settings: settings(following) }, given));
    }
    const texts = coerceTexts('texts', input as string | readonly string[]);
    const args = { texts, settings: settings(following) };
    return this.#told<Embeddings<P>>(this.#fleet.embed(args, given, this.#info.maxLength ?? Infinity));
  }

  /**
   * Cuts a text and embeds each part; with `late` each knows what stands around it, for the text is read once.
   *
   * @param text what to cut
   * @param options how to cut it, and how to embed as in {@link Model.embed}. Models of pictures cut none: an
   *   `invalid_input` error
   * @returns one vector per chunk, in order
   *
   * @example
   * const { data, shape, chunks } = await model.embedChunks(page, { chunk: { tokens: 100, overlap: 0 }, late: true });
   */
  async embedChunks<P extends Precision = 'float32'>(
    text: string,
    options?: EmbedChunksOptions & { readonly precision?: P | undefined },
  ): Promise<ChunkEmbeddings<P>> {
    const { chunk, late, ...rest } = checked('embedChunks', options, [...OF_TEXTS.filter((name) => name !== 'hidden' && name !== 'timing'), 'chunk', 'late']);
    if (typeof text !== 'string') throw invalid('text', text, 'a string');
    const args = { text, chunk: chunking(chunk, this.#info), late: flag('late', late, false), settings: settings(rest) };
    return this.#told<ChunkEmbeddings<P>>(this.client.call('embed-chunks', args, follow(rest)));
  }

  /**
   * The poolers there are, as `pooling` names them, and what there is to know of each: a table.
   *
   * @example
   * const free = (await model.poolers()).filter(({ kind }) => kind !== 'learned').map(({ name }) => name);
   */
  poolers(): Promise<readonly PoolerInfo[]> {
    return this.client.call('poolers', {});
  }

  /**
   * What the tokens of a text or picture looked at, from the same weights that embed.
   *
   * @param input one text, or one picture
   * @param options which layers and heads, what becomes of them, and of which token. A layer, head or query that is
   *   not there, or options that exclude each other, are `invalid_input` errors
   *
   * @example
   * const { data, shape: [, , tokens], layout } = await model.attention('the bees dance', { layers: [5], reduce: 'mean' });
   */
  async attention(input: string | ImageInput, options?: AttentionOptions): Promise<Attention> {
    const { layers, heads, reduce, query, fusion, residual, discardRatio, ...rest } = checked('attention', options, [
      'layers', 'heads', 'reduce', 'query', 'fusion', 'residual', 'discardRatio', 'promptName', 'prompt', 'maxLength', 'signal', 'onProgress',
    ]);
    const row = count('query', query, 0, undefined);
    const wanted = {
      reduce: choice('reduce', reduce, REDUCTIONS, 'none'),
      fusion: choice('fusion', fusion, FUSIONS, 'mean'),
      residual: share('residual', residual, 0.5),
      discardRatio: share('discardRatio', discardRatio, 0),
      ...(row === undefined ? {} : { query: row }),
      ...indices('layers', layers),
      ...indices('heads', heads),
    };
    if (this.#info.input === 'image') {
      const [image] = await coerceImages('input', [input as ImageInput]);
      if (image === undefined) throw invalid('input', input, 'a picture');
      checked('attention of a picture', rest, ['signal', 'onProgress']);
      return this.client.call('attention-image', { image, settings: wanted }, follow(rest));
    }
    if (typeof input !== 'string') throw invalid('input', input, 'a string');
    return this.client.call('attention', { text: input, settings: wanted, embed: settings(rest) }, follow(rest));
  }

  /**
   * Why a passage matches a query: its score taken apart into what each token gave. Of a hit, give `hit.chunk.text`.
   *
   * @param query a text or picture, as the model reads, or a vector: one of `embed`, maybe of the other half of CLIP
   *   or SigLIP. A vector of another width is an `invalid_input` error.
   * @param passage a text or picture, as the model reads
   *
   * @example
   * const { score, passage } = await model.explain('how do insects navigate', hit.chunk.text);
   * passage.layout.tokens.map((token, at) => [token.text, passage.contributions[at]]); // they sum to the score
   */
  async explain(
    query: string | ImageInput | Float32Array,
    passage: string | ImageInput,
    options?: ExplainOptions,
  ): Promise<Explanation> {
    const images = this.#info.input === 'image';
    const given = checked('explain', options, [
      'metric', 'pooling', 'poolingWeights', ...(images ? [] : (['query', 'passage'] as const)), 'signal', 'onProgress',
    ]);
    const side = (name: string, of: SideOptions | undefined) =>
      settings({
        ...checked(name, of, ['promptName', 'prompt', 'maxLength']),
        pooling: given.pooling,
        poolingWeights: given.poolingWeights,
      });
    const wanted = {
      query: side('query', given.query),
      passage: side('passage', given.passage),
      metric: choice('metric', given.metric, METRICS, 'cosine'),
    };
    if (images) {
      const from = query instanceof Float32Array ? query : await picture('query', query);
      const args = { query: from, passage: await picture('passage', passage), settings: wanted };
      return this.client.call('explain-image', args, follow(given));
    }
    if (typeof query !== 'string' && !(query instanceof Float32Array)) throw invalid('query', query, 'a string or a Float32Array');
    if (typeof passage !== 'string') throw invalid('passage', passage, 'a string');
    return this.client.call('explain', { query, passage, settings: wanted }, follow(given));
  }

  /**
   * What a vector rests on, by trial: each token or patch is hidden in turn and the rest embedded again. In the place
   * of a token stands the tokenizer's mask token, or without one nothing; a patch gets the mean colour. Costs as much
   * as embedding as many inputs as there are tokens.
   *
   * @param input one text, or one picture
   *
   * @example
   * const { data, layout } = await vision.occlusion('cat.jpg', { window: 3, onProgress });
   */
  async occlusion(input: string | ImageInput, options?: OcclusionOptions): Promise<Occlusion> {
    const images = this.#info.input === 'image';
    const { against, window, ...rest } = checked('occlusion', options, [
      'against', ...(images ? (['window'] as const) : (['promptName', 'prompt', 'maxLength'] as const)), 'signal', 'onProgress',
    ]);
    const embed = settings(rest);
    if (images) {
      const vector = against === undefined || against instanceof Float32Array ? against : await picture('against', against);
      const args = { image: await picture('input', input), against: vector, window: count('window', window, 1, 1), embed };
      return this.client.call('occlusion-image', args, follow(rest));
    }
    if (typeof input !== 'string') throw invalid('input', input, 'a string');
    if (against !== undefined && typeof against !== 'string' && !(against instanceof Float32Array)) {
      throw invalid('against', against, 'a string or a Float32Array');
    }
    return this.client.call('occlusion', { text: input, against, embed }, follow(rest));
  }

  /**
   * What the attention of a text or picture says about the model: statistics of every head, which heads are alike,
   * attention sinks, the graph of every layer, and how alike tokens become. Maps are taken a few layers at a time and
   * stay with the engine, so large pictures work; it costs a few runs of the model, four of them on the CPU.
   *
   * @param input one text, or one picture
   * @param options which layers, and of texts prompt and length
   *
   * @example
   * const { heads, entropy, sinks } = await model.analyze('the bees dance');
   * const ofLayer2 = entropy.subarray(2 * heads, 3 * heads);
   */
  async analyze(input: string | ImageInput, options?: AnalysisOptions): Promise<Analysis> {
    const { layers, ...rest } = checked('analyze', options, ['layers', 'promptName', 'prompt', 'maxLength', 'signal', 'onProgress']);
    const wanted = indices('layers', layers);
    if (this.#info.input === 'image') {
      const [image] = await coerceImages('input', [input as ImageInput]);
      if (image === undefined) throw invalid('input', input, 'a picture');
      checked('analyze of a picture', rest, ['signal', 'onProgress']);
      return this.client.call('analyze-image', { image, settings: wanted }, follow(rest));
    }
    if (typeof input !== 'string') throw invalid('input', input, 'a string');
    return this.client.call('analyze', { text: input, settings: wanted, embed: settings(rest) }, follow(rest));
  }

  /**
   * How one token's attention in one head came about: its query, all keys, their products' sums and what softmax
   * makes of them.
   *
   * @param input one text, or one picture
   * @param options which layer, head and token; one that is not there is an `invalid_input` error
   *
   * @example
   * const { q, k, scores } = await model.neuron('the bees dance', { layer: 5, head: 0, query: 2 });
   */
  async neuron(input: string | ImageInput, options: NeuronOptions): Promise<Neuron> {
    const { layer, head, query, ...rest } = checked('neuron', options, [
      'layer', 'head', 'query', 'promptName', 'prompt', 'maxLength', 'signal', 'onProgress',
    ]);
    const wanted = { layer: needed('layer', layer), head: needed('head', head), query: needed('query', query) };
    if (this.#info.input === 'image') {
      const [image] = await coerceImages('input', [input as ImageInput]);
      if (image === undefined) throw invalid('input', input, 'a picture');
      checked('neuron of a picture', rest, ['signal', 'onProgress']);
      return this.client.call('neuron-image', { image, settings: wanted }, follow(rest));
    }
    if (typeof input !== 'string') throw invalid('input', input, 'a string');
    return this.client.call('neuron', { text: input, settings: wanted, embed: settings(rest) }, follow(rest));
  }

  /**
   * Frees the model and ends its worker. Calls under way, and later ones, reject with code `disposed`; so do those
   * of its indexes. Doing it twice does nothing.
   */
  dispose(): void {
    this.#fleet.end(new HeatseekError('disposed', 'the model was disposed of'));
  }

  /** As {@link Model.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Tells the console, once.
   *
   * @internal
   */
  warn(warning: string | undefined): void {
    if (warning === undefined || this.#warned.has(warning)) return;
    this.#warned.add(warning);
    console.warn(`heatseek: ${warning}`);
  }

  /** The answer, once the console has its warning; `Result` is what its precision makes of it. */
  async #told<Result extends { readonly warning?: string }>(answer: Promise<{ readonly warning?: string }>): Promise<Result> {
    const found = (await answer) as Result;
    this.warn(found.warning);
    return found;
  }
}

/** One picture, as it is posted. */
async function picture(what: string, given: unknown): Promise<PostedImage> {
  if (Array.isArray(given)) throw invalid(what, given, 'one picture');
  const [image] = await coerceImages(what, given);
  if (image === undefined) throw invalid(what, given, 'a picture');
  return image;
}

/** An index that must be given. Whether there are so many, the model knows. */
function needed(what: string, given: number | undefined): number {
  const index = count(what, given, 0, undefined);
  if (index === undefined) throw invalid(what, given, 'a whole number, 0 or more');
  return index;
}

/** Layers or heads under their name; nothing for all of them. Whether there are so many, the model knows. */
function indices<Name extends 'layers' | 'heads'>(name: Name, given: 'all' | readonly number[] | undefined): { [K in Name]?: number[] } {
  if (given === undefined || given === 'all') return {};
  if (!Array.isArray(given)) throw invalid(name, given, "'all' or an array of numbers");
  const numbers = Array.from(given as readonly number[], (index, at) => {
    if (!Number.isInteger(index) || index < 0) throw invalid(`${name}[${at}]`, index, 'a whole number, 0 or more');
    return index;
  });
  return { [name]: numbers } as { [K in Name]?: number[] };
}
