/** The engine: a model in WebAssembly, and everything that is done with it. Runs in the worker. */
import { abortedError } from './aborted.js';
import type { Analysis } from './analysis.js';
import { Control, macrotask } from './control.js';
import { borrow } from './borrow.js';
import { FileCache } from './cache.js';
import { DeviceChoice } from './device-choice.js';
import { Downloader } from './download.js';
import { Early } from './early.js';
import type { FileSource, Sink } from './files.js';
import { host } from './host.js';
import { LocalFiles } from './local-files.js';
import { Totals } from './totals.js';
import { HeatseekError } from './errors.js';
import { Indexes } from './indexes.js';
import { rawPicture } from './pictures.js';
import type { PoolerInfo } from './pooling.js';
import type {
  AnalysisSettings, AttentionSettings, Calls, EmbedSettings, ExplainSettings, LocalSource, NeuronSettings, PostedImage, RawPicture, RemoteSource,
} from './protocol.js';
import { guard, start, startExtras, useThreads } from './runtime.js';
import { Timeline, now, type LoadSpan } from './timing.js';
import { KERNELS, TUNING_MS, Tunings } from './tuning.js';
import type {
  Attention, ChunkEmbeddings, Device, Embeddings, Explanation, ModelInfo, Neuron, Occlusion, Precision, Tune,
} from './types.js';
import { Files, ImageModel, Index, Loader, Model } from './wasm/heatseek.js';
import type { WasmIndex, WasmOpening } from './wasm-index.js';

/** One model and its indexes. */
export class Engine {
  readonly #model: Model | ImageModel;
  readonly indexes = new Indexes();
  readonly #threads: Threads;
  readonly #tune: Tune;
  /** What may still be spent on measuring, in milliseconds. */
  #tuningLeft: number;

  /** What whoever loaded it should know. */
  readonly warnings: string[] = [];
  readonly #timeline: Timeline;
  /** Between GPU and CPU, where that is left to us. */
  readonly #choice: DeviceChoice | undefined;

  private constructor(model: Model | ImageModel, threads: Threads, tune: Tune, timeline: Timeline, choice: DeviceChoice | undefined) {
    this.#model = model;
    this.#threads = threads;
    this.#tune = tune;
    this.#tuningLeft = tune === 'never' ? 0 : TUNING_MS[tune];
    this.#timeline = timeline;
    this.#choice = choice;
  }

  /** Fetches a model's files and makes it ready. */
  static async load(args: Calls['load']['args'], control: Control): Promise<Engine> {
    const { source, lender, retries, wasm, device, dtype, threads, cache, sha256, input, tune } = args;
    const timeline = new Timeline();
    const tuned = tune === 'never' ? undefined : new Tunings().find(KERNELS);
    const stop = new AbortController();
    const abort = (): void => stop.abort(control.signal.reason);
    control.signal.addEventListener('abort', abort, { once: true });
    if (control.signal.aborted) abort();
    const watched = new Control(control.signal, (progress) => {
      timeline.progress(progress);
      control.progress(progress);
    });
    const place = await deviceHere(device);
    const choosing = place === 'auto' ? DeviceChoice.find(args) : undefined;
    const kernels = new Threads(threads);
    let files: Files | undefined;
    try {
      timeline.start('runtime');
      const running = start(wasm, control.signal);
      const totals = new Totals(control.progress);
      const unkept: string[] = [];
      const common = { sha256, signal: stop.signal, totals };
      const local = 'files' in source ? source : await folderOf(source);
      const origin: FileSource = local ? new LocalFiles({ source: local, ...common }) : new Downloader({
        source: source as RemoteSource,
        ...common,
        retries,
        cache: cache ? new FileCache((source as RemoteSource).base) : undefined,
        cacheFull(file, bytes) {
          unkept.push(file);
          control.progress({ stage: 'cache-full', loaded: 0, total: bytes, file });
        },
        fetch: lender ? borrow(lender) : (...args) => globalThis.fetch(...args),
      });
      timeline.start('configuration');
      timeline.start('weights');
      const early = new Early(origin);
      await running;
      timeline.end('runtime');
      const arriving = (files = new Files());
      const images = (): boolean => (input ? input === 'image' : !arriving.has_text());
      const begin = async (): Promise<Loader> => {
        if (!(images() ? arriving.has_vision() : arriving.has_text())) {
          throw new HeatseekError('invalid_input', `input is '${input}', which this model does not read; leave it out`);
        }
        const extras = arriving.needs_extras(images()) ? startExtras(wasm.extras, control.signal) : undefined;
        // Told when they are waited for.
        extras?.catch(() => {});
        const choices = await tuned;
        const chosen = (await choosing)?.device === 'cpu' ? 'cpu' : place;
        const loader = await opened(timeline, (tell) =>
          guard<Loader>(() => Loader.begin(arriving, chosen, dtype, images(), choices, tell, () => kernels.start())),
        );
        await extras;
        if (!images()) {
          timeline.start('tokenizer');
          loader.read_tokenizer(arriving);
          timeline.end('tokenizer');
        }
        if (loader.on_cpu()) await kernels.start();
        return loader;
      };
      const taken: string[] = [];
      const loader = await fetchAll(arriving, { origin, early, taken }, begin, timeline);
      const settled = origin.settle(taken);
      if (control.signal.aborted) throw abortedError(control.signal.reason);
      // `finish` takes the files and the loader with it: the weights exist once.
      files = undefined;
      const model = await guard<Model | ImageModel>(() =>
        images() ? loader.finish_images(arriving, watched) : loader.finish(arriving, watched),
      );
      timeline.end('prepare');
      const engine = new Engine(model, kernels, tune, timeline, await choosing);
      await settled;
      if (unkept.length > 0) {
        engine.warnings.push(`the browser has no room to keep ${unkept.join(', ')}; next time it is downloaded again`);
      }
      if (tune === 'now') {
        timeline.start('tune');
        await engine.tune(() => !control.signal.aborted);
        timeline.end('tune');
      }
      if (control.signal.aborted) {
        engine.free();
        throw abortedError(control.signal.reason);
      }
      return engine;
    } finally {
      // What was guessed and not wanted, and all of it when something went wrong.
      stop.abort();
      control.signal.removeEventListener('abort', abort);
      files?.free();
    }
  }

  info(): ModelInfo {
    // The engine's names are config.json's, as its command line prints them; what is null there is absent here.
    const entries = Object.entries(this.#model.info() as Record<string, unknown>).filter(([, value]) => value !== null);
    const named = Object.fromEntries(entries.map(([name, value]) => [camelCase(name), value]));
    const info = { ...named, input: this.#model instanceof Model ? 'text' : 'image' } as unknown as ModelInfo;
    if (info.device.kind !== 'cpu') return info;
    const slower = this.#choice?.device === 'cpu' && 'the GPU was measured, and is slower';
    const fallback = [info.device.fallback, slower, this.#threads.fewer].filter(Boolean).join('; ');
    return fallback ? { ...info, device: { ...info.device, fallback } } : info;
  }

  /** What loading did when, by the clock of timing.ts. */
  get timeline(): readonly LoadSpan[] {
    return this.#timeline.spans;
  }

  /** Whether there is something to measure, and time left for it. */
  get wantsTuning(): boolean {
    return this.#tuningLeft > 0 && this.info().device.kind === 'gpu';
  }

  /**
   * Chooses kernels by measuring them, until there is nothing left to choose, the time is up, or `proceed` says no. Keeps
   * what was chosen.
   * @returns whether `proceed` ended it, so that there may be more to choose
   */
  async tune(proceed: () => boolean): Promise<boolean> {
    let chosen = false;
    let stopped = false;
    while (this.wantsTuning) {
      stopped = !proceed();
      if (stopped) break;
      const began = now();
      const step = await guard(() => this.#model.tune(this.#tune === 'now'));
      const left = this.#tuningLeft - (now() - began);
      // What was measured for half a choice would be lost.
      this.#tuningLeft = step === 'more' ? Math.max(left, 1) : left;
      chosen ||= step === 'chosen';
      if (step === 'done') break;
      await macrotask();
    }
    if (chosen) {
      const tunings = new Tunings();
      const table = this.#model.tuned(await tunings.find(KERNELS));
      if (table !== undefined) await tunings.keep(KERNELS, table);
    }
    return stopped;
  }

  /** As {@link DeviceChoice.measure}, but for files that there was no room to keep: a second engine would download them again. */
  async compare(signal: AbortSignal): Promise<boolean> {
    if (this.warnings.length > 0) return false;
    const control = new Control(signal, () => {});
    return (await this.#choice?.measure(this.info(), (texts, settings) => this.embed(texts, settings, control), signal)) ?? false;
  }

  poolers(): readonly PoolerInfo[] {
    return this.#model.poolers() as PoolerInfo[];
  }

  async embed(texts: readonly string[], settings: EmbedSettings, control: Control): Promise<Embeddings<Precision>> {
    const found = (await guard(() => this.#texts.embed(texts as string[], settings, control))) as Embeddings<Precision>;
    return { ...found, ...timingOf(control) };
  }

  async embedChunks(
    { text, chunk, late, settings }: Calls['embed-chunks']['args'],
    control: Control,
  ): Promise<ChunkEmbeddings<Precision>> {
    const found = await guard(() => this.#texts.embed_chunks(text, chunk, late, settings, control));
    return found as ChunkEmbeddings<Precision>;
  }

  async embedImages(images: readonly PostedImage[], settings: EmbedSettings, control: Control): Promise<Embeddings<Precision>> {
    const pictures: RawPicture[] = [];
    // A picture that cannot be had is told of before any is computed.
    for (const [at, image] of images.entries()) pictures.push(await rawPicture(image, `images[${at}]`, control.signal));
    const found = await guard(() => this.#images.embed(pictures, settings, control));
    const whole = found as Omit<Embeddings<Precision>, 'truncated'>;
    return { ...whole, truncated: pictures.map(() => false), ...timingOf(control) };
  }

  async attention(text: string, settings: AttentionSettings, embed: EmbedSettings, control: Control): Promise<Attention> {
    return (await guard(() => this.#texts.attention(text, settings, embed, control))) as Attention;
  }

  async attentionOfImage(image: PostedImage, settings: AttentionSettings, control: Control): Promise<Attention> {
    const picture = await rawPicture(image, 'input', control.signal);
    return (await guard(() => this.#images.attention(picture, settings, control))) as Attention;
  }

  async neuron(text: string, settings: NeuronSettings, embed: EmbedSettings, control: Control): Promise<Neuron> {
    return (await guard(() => this.#texts.neuron(text, settings, embed, control))) as Neuron;
  }

  async neuronOfImage(image: PostedImage, settings: NeuronSettings, control: Control): Promise<Neuron> {
    const picture = await rawPicture(image, 'input', control.signal);
    return (await guard(() => this.#images.neuron(picture, settings, control))) as Neuron;
  }

  async explain(query: string | Float32Array, passage: string, settings: ExplainSettings, control: Control): Promise<Explanation> {
    return (await guard(() => this.#texts.explain(query, passage, settings, control))) as Explanation;
  }

  async explainImage(
    query: PostedImage | Float32Array,
    passage: PostedImage,
    settings: ExplainSettings,
    control: Control,
  ): Promise<Explanation> {
    const from = query instanceof Float32Array ? query : await rawPicture(query, 'query', control.signal);
    const picture = await rawPicture(passage, 'passage', control.signal);
    return (await guard(() => this.#images.explain(from, picture, settings, control))) as Explanation;
  }

  async occlusion(
    text: string,
    against: string | Float32Array | undefined,
    embed: EmbedSettings,
    control: Control,
  ): Promise<Occlusion> {
    const vector = typeof against === 'string' ? ((await this.embed([against], embed, control)) as Embeddings).data : against;
    return (await guard(() => this.#texts.occlusion(text, vector, embed, control))) as Occlusion;
  }

  async occlusionOfImage(
    { image, against, window, embed }: Calls['occlusion-image']['args'],
    control: Control,
  ): Promise<Occlusion> {
    const picture = await rawPicture(image, 'input', control.signal);
    let vector: Float32Array | undefined;
    if (against instanceof Float32Array) vector = against;
    else if (against !== undefined) {
      const other = await rawPicture(against, 'against', control.signal);
      vector = ((await guard(() => this.#images.embed([other], embed, control))) as Embeddings).data;
    }
    return (await guard(() => this.#images.occlusion(picture, vector, window, control))) as Occlusion;
  }

  async analyze(text: string, settings: AnalysisSettings, embed: EmbedSettings, control: Control): Promise<Analysis> {
    return (await guard(() => this.#texts.analyze(text, settings, embed, control))) as Analysis;
  }

  async analyzeImage(image: PostedImage, settings: AnalysisSettings, control: Control): Promise<Analysis> {
    const picture = await rawPicture(image, 'input', control.signal);
    return (await guard(() => this.#images.analyze(picture, settings, control))) as Analysis;
  }

  createIndex(args: Calls['index-create']['args'], control: Control): Promise<Calls['index-create']['result']> {
    const [model, { settings, recover, verify }] = [this.#texts, args];
    return this.indexes.create(args, {
      fresh: () => new Index(model, settings) as unknown as WasmIndex,
      opening: (names) => Index.opening(model, settings, names as string[], recover, verify) as unknown as WasmOpening,
    }, control);
  }

  free(): void {
    this.indexes.free();
    this.#model.free();
  }

  get #texts(): Model {
    if (this.#model instanceof Model) return this.#model;
    throw new HeatseekError('invalid_input', 'this model reads pictures, not texts');
  }

  get #images(): ImageModel {
    if (this.#model instanceof ImageModel) return this.#model;
    throw new HeatseekError('invalid_input', 'this model reads texts, not pictures');
  }
}

/**
 * Fetches what the model asks for, in the rounds it asks in: what there is to ask depends on what came. Once its
 * configuration is known, `begin` opens the device and compiles while the weights arrive.
 */
async function fetchAll(
  files: Files,
  { origin, early, taken }: { origin: FileSource; early: Early; taken: string[] },
  begin: () => Promise<Loader>,
  timeline: Timeline,
): Promise<Loader> {
  let loader: Promise<Loader> | undefined;
  for (;;) {
    const wanted = files.wanted() as { path: string; required: boolean }[];
    if (wanted.length === 0) {
      timeline.end('weights');
      return loader ?? begin();
    }
    if (wanted.some(({ path }) => path.endsWith('.safetensors'))) {
      timeline.end('configuration');
      loader ??= begin();
      // What is wrong is told when the weights are here; until then it is not unhandled.
      loader.catch(() => {});
    }
    const results = await Promise.allSettled(wanted.map(({ path, required }) => fetchOne(path, required)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async function fetchOne(path: string, required: boolean): Promise<void> {
    const sink = sinkFor(files, path);
    const missing = await (early.take(path, sink) ?? origin.file(path, sink));
    if (missing === undefined) {
      files.finish(path);
      taken.push(path);
    } else if (required) {
      throw new HeatseekError('not_found', `the model needs ${path}, but ${missing}`);
    } else {
      files.mark_absent(path);
    }
  }
}

/** The engine finds a GPU in browsers only; elsewhere it would stop at the mere look. */
async function deviceHere(device: Device): Promise<Device> {
  if (!(await host())) return device;
  if (device === 'gpu') throw new HeatseekError('unsupported', "device is 'gpu', which only browsers have; leave it out, or say 'cpu'");
  return device === 'auto' ? 'cpu' : device;
}

/** The folder of this machine that `source` names, where there is one to be had. */
async function folderOf({ base }: RemoteSource): Promise<LocalSource | undefined> {
  const node = base.startsWith('file:') && (await host());
  return node ? { files: node.folder(base) } : undefined;
}

/** The threads of the CPU kernels, which are started when these are to compute. */
class Threads {
  readonly #wanted: number | undefined;
  /** Why there are fewer than were asked for, once they were to start. */
  fewer: string | undefined;

  constructor(wanted: number | undefined) {
    this.#wanted = wanted;
  }

  async start(): Promise<void> {
    this.fewer = await useThreads(this.#wanted);
  }
}

/** Opens the device, writing down what a GPU tells of itself. */
function opened(timeline: Timeline, begin: (tell: (milestone: 'opened' | 'compiled' | 'uploaded') => void) => Promise<Loader>): Promise<Loader> {
  timeline.start('device');
  return begin((milestone) => {
    timeline.end(({ opened: 'device', compiled: 'compile', uploaded: 'upload' } as const)[milestone]);
    if (milestone === 'opened') timeline.start('compile');
  });
}

function timingOf({ stopwatch }: Control): Pick<Embeddings, 'timing'> {
  return stopwatch ? { timing: stopwatch.timing } : {};
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

function sinkFor(files: Files, path: string): Sink {
  return {
    begin: (length, summed) => files.begin(path, length, summed),
    append: (chunk) => files.append(path, chunk),
    sha256: () => files.sha256(path),
  };
}
