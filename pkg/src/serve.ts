/** The engine's end of the protocol. Whose turn it is, the queue says. */
import { abortedError } from './aborted.js';
import { Engine } from './engine.js';
import { Control, eventHandled } from './control.js';
import { HeatseekError, errorToData } from './errors.js';
import { merge, unmerge } from './merge.js';
import type { Progress } from './progress.js';
import { Queue, type Job } from './queue.js';
import { threadsInUse } from './runtime.js';
import { IDLE_MS } from './tuning.js';
import type { DeviceInfo, Embeddings, Precision, Priority } from './types.js';
import { transfers, type CallName, type Calls, type FromEngine, type Request, type ToEngine } from './protocol.js';

/** What an engine is served through: a worker's own scope, or a MessagePort. */
export interface ServerPort {
  postMessage(message: FromEngine, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToEngine>) => void): void;
}

type Answer = Calls[CallName]['result'];
type EmbedRequest = Extract<Request, { type: 'embed' }>;

/**
 * The most that small calls done as one have together, in UTF-16 units: about a batch of the device's, at some four to a
 * token. More would only keep the first of them waiting.
 */
const MERGED_UNITS = { gpu: 32_768, cpu: 512, reference: 512 } as const;

/** Serves one model at a time to `port`. */
export function serve(port: ServerPort): void {
  let engine: Promise<Engine> | undefined;
  const disposed: Promise<Engine>[] = [];
  /** Kernels and devices are measured, until the next call. */
  let tuning: Promise<void> | undefined;
  let measuring: AbortController | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  /** The device as the page knows it. */
  let told: DeviceInfo | undefined;

  const post = (message: FromEngine, transfer: Transferable[] = []) => port.postMessage(message, transfer);

  const control = ({ request: { id, quiet, ...request }, abort }: Job, priority: Priority): Control => {
    const tell = (progress: Progress) => post({ type: 'progress', id, progress });
    // Nobody can call a model that is not loaded yet; one who could would wait for it.
    const giveWay = priority === 'bulk' && request.type !== 'load' ? () => queue.giveWay() : undefined;
    return new Control(abort.signal, quiet ? () => {} : tell, { timing: timed(request), giveWay });
  };

  const answer = async (job: Job, priority: Priority): Promise<Answer> => {
    const { request } = job;
    const following = control(job, priority);
    if (request.type === 'load') {
      if (engine) throw new HeatseekError('invalid_input', 'this worker has a model already; dispose of it first');
      engine = Engine.load(request, following);
      try {
        const loaded = await engine;
        const info = loaded.info();
        told = info.device;
        return { info, timeline: loaded.timeline, threads: info.device.kind === 'cpu' ? threadsInUse() : undefined, warnings: loaded.warnings };
      } catch (error) {
        engine = undefined;
        throw error;
      }
    }
    return withEngine((loaded) => perform(loaded, request, following));
  };

  /** The answers of several calls that are done as one. */
  const answerAll = async (jobs: readonly Job[], priority: Priority): Promise<Answer[]> => {
    const requests = jobs.map(({ request }) => request as EmbedRequest);
    const abort = new AbortController();
    // The batch is of use as long as anybody waits.
    const settle = () => jobs.every((job) => job.abort.signal.aborted) && abort.abort();
    for (const job of jobs) job.abort.signal.addEventListener('abort', settle);
    const starts: number[] = [];
    requests.reduce((sum, { texts }) => (starts.push(sum), sum + texts.length), 0);
    const progress = ({ stage, loaded }: Progress) => requests.forEach(({ id, quiet, texts: { length } }, at) => {
      if (quiet) return;
      post({ type: 'progress', id, progress: { stage, loaded: Math.min(Math.max(loaded - (starts[at] as number), 0), length), total: length } });
    });
    const giveWay = priority === 'bulk' ? () => queue.giveWay() : undefined;
    const following = new Control(abort.signal, progress, { giveWay });
    const { texts, settings } = merge(requests);
    const found = await withEngine((loaded) => loaded.embed(texts, settings, following));
    return unmerge(found, requests.map((request) => request.texts.length));
  };

  const withEngine = async <T>(work: (loaded: Engine) => Promise<T> | T): Promise<T> => {
    if (!engine) throw new HeatseekError('disposed', 'this worker has no model');
    const loaded = await engine;
    try {
      return await work(loaded);
    } finally {
      tellDevice(loaded);
    }
  };

  /** Tells the page if a device was lost meanwhile and another has taken over, or if it chose other kernels. */
  const tellDevice = (loaded: Engine) => {
    // Asking takes longer than messages do, and nothing takes over from the CPU.
    if (told?.kind === 'cpu') return;
    let device: DeviceInfo;
    try {
      ({ device } = loaded.info());
    } catch {
      // An engine that broke has said so in the call's own answer.
      return;
    }
    if (JSON.stringify(device) !== JSON.stringify(told)) post({ type: 'device', device });
    told = device;
  };

  const run = async (jobs: readonly Job[], priority: Priority): Promise<void> => {
    clearTimeout(idle);
    const say = ({ request: { id } }: Job, value: Answer) => post({ type: 'result', id, value }, transfers(value));
    if (jobs.length > 1) {
      try {
        const values = await answerAll(jobs, priority);
        jobs.forEach((job, at) => say(job, values[at] as Answer));
        return;
      } catch {
        // Each is told what is wrong with it, which may be one text of one of them.
      }
    }
    for (const job of jobs) {
      try {
        say(job, await answer(job, priority));
      } catch (error) {
        post({ type: 'error', id: job.request.id, error: errorToData(error) });
      }
    }
  };

  const queue = new Queue(run, () => {
    free();
    rest();
  }, () => MERGED_UNITS[told?.kind ?? 'cpu']);

  /** Tunes the model once nobody has asked for anything for a while. The next call ends that. */
  const rest = () => {
    clearTimeout(idle);
    const loaded = engine;
    if (loaded && !tuning) idle = setTimeout(() => (tuning = tune(loaded)), IDLE_MS);
  };

  const tune = async (loading: Promise<Engine>): Promise<void> => {
    let stopped = false;
    const { signal } = (measuring = new AbortController());
    try {
      const loaded = await loading;
      stopped = await loaded.tune(() => !queue.busy && engine === loading);
      if (engine === loading) tellDevice(loaded);
      stopped ||= await loaded.compare(signal);
    } catch {
      // An engine that broke says so in the next call's answer; a model that is not tuned is as right as ever.
    } finally {
      tuning = undefined;
      free();
      // The call that stopped it may be over.
      if (stopped && !queue.busy) rest();
    }
  };

  /** Frees models disposed of, once no call uses them. */
  const free = () => {
    if (queue.busy || tuning) return;
    for (const ended of disposed.splice(0)) ended.then((loaded) => loaded.free(), () => {});
  };

  port.addEventListener('message', ({ data: message }) => {
    eventHandled();
    measuring?.abort();
    switch (message.type) {
      case 'abort':
        // One that has not begun need not wait for its turn to end.
        if (queue.abort(message.id)) post({ type: 'error', id: message.id, error: errorToData(abortedError(undefined)) });
        return;
      case 'dispose':
        queue.clear();
        if (engine) disposed.push(engine);
        engine = undefined;
        clearTimeout(idle);
        free();
        return;
      default:
        queue.add(message);
    }
  });
  post({ type: 'ready' });
}

const timed = (request: object): boolean => 'settings' in request && 'timing' in (request.settings as object);

async function perform(
  engine: Engine,
  request: Exclude<Request, { type: 'load' }>,
  control: Control,
): Promise<Calls[CallName]['result']> {
  switch (request.type) {
    case 'poolers': return engine.poolers();
    case 'embed': return engine.embed(request.texts, request.settings, control);
    case 'embed-images': return engine.embedImages(request.images, request.settings, control);
    case 'embed-chunks': return engine.embedChunks(request, control);
    case 'attention': return engine.attention(request.text, request.settings, request.embed, control);
    case 'neuron': return engine.neuron(request.text, request.settings, request.embed, control);
    case 'neuron-image': return engine.neuronOfImage(request.image, request.settings, control);
    case 'attention-image': return engine.attentionOfImage(request.image, request.settings, control);
    case 'explain': return engine.explain(request.query, request.passage, request.settings, control);
    case 'explain-image': return engine.explainImage(request.query, request.passage, request.settings, control);
    case 'occlusion': return engine.occlusion(request.text, request.against, request.embed, control);
    case 'occlusion-image': return engine.occlusionOfImage(request, control);
    case 'analyze': return engine.analyze(request.text, request.settings, request.embed, control);
    case 'analyze-image': return engine.analyzeImage(request.image, request.settings, control);
    case 'index-create': return engine.createIndex(request, control);
    case 'index-add': return engine.indexes.add(request, control);
    case 'index-search': return engine.indexes.search(request, control);
    case 'index-remove': return engine.indexes.remove(request);
    case 'index-facets': return engine.indexes.facets(request);
    case 'index-export': return engine.indexes.exported(request);
    case 'index-dispose': return engine.indexes.dispose(request.index);
    default: return request satisfies never;
  }
}
