/** The engine's end of the protocol: calls run one at a time, in the order they came. */
import { Engine } from './engine.js';
import { HeatseekError, abortedError, errorToData } from './errors.js';
import { Control, eventHandled } from './control.js';
import type { Progress } from './progress.js';
import { threadsInUse } from './runtime.js';
import { IDLE_MS } from './tuning.js';
import type { DeviceInfo } from './types.js';
import { transfers, type CallName, type Calls, type FromEngine, type Request, type ToEngine } from './protocol.js';

/** What an engine is served through: a worker's own scope, or a MessagePort. */
export interface ServerPort {
  postMessage(message: FromEngine, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToEngine>) => void): void;
}

interface Job {
  readonly request: Request;
  readonly abort: AbortController;
}

/** Serves one model at a time to `port`. */
export function serve(port: ServerPort): void {
  const queue: Job[] = [];
  let running = false;
  let engine: Promise<Engine> | undefined;
  const disposed: Promise<Engine>[] = [];
  /** Kernels are measured, until the next call. */
  let tuning: Promise<void> | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  /** The device as the page knows it. */
  let told: DeviceInfo | undefined;

  const post = (message: FromEngine, transfer: Transferable[] = []) => port.postMessage(message, transfer);

  const answer = async ({ request, abort }: Job): Promise<Calls[CallName]['result']> => {
    const tell = (progress: Progress) => post({ type: 'progress', id: request.id, progress });
    const control = new Control(abort.signal, request.quiet ? () => {} : tell, timed(request));
    if (request.type === 'load') {
      if (engine) throw new HeatseekError('invalid_input', 'this worker has a model already; dispose of it first');
      engine = Engine.load(request, control);
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
    if (!engine) throw new HeatseekError('disposed', 'this worker has no model');
    const loaded = await engine;
    try {
      return await perform(loaded, request, control);
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

  const drain = async () => {
    if (running) return;
    running = true;
    clearTimeout(idle);
    for (let job = queue[0]; job; job = queue[0]) {
      const { id } = job.request;
      try {
        const value = await answer(job);
        post({ type: 'result', id, value }, transfers(value));
      } catch (error) {
        post({ type: 'error', id, error: errorToData(error) });
      }
      queue.shift();
    }
    running = false;
    free();
    rest();
  };

  /** Tunes the model once nobody has asked for anything for a while. The next call ends that. */
  const rest = () => {
    clearTimeout(idle);
    const loaded = engine;
    if (loaded && !tuning) idle = setTimeout(() => (tuning = tune(loaded)), IDLE_MS);
  };

  const tune = async (loading: Promise<Engine>): Promise<void> => {
    let stopped = false;
    try {
      const loaded = await loading;
      stopped = await loaded.tune(() => !running && engine === loading);
      if (engine === loading) tellDevice(loaded);
    } catch {
      // An engine that broke says so in the next call's answer; a model that is not tuned is as right as ever.
    } finally {
      tuning = undefined;
      free();
      // The call that stopped it may be over.
      if (stopped && !running) rest();
    }
  };

  /** Frees models disposed of, once no call uses them. */
  const free = () => {
    if (running || tuning) return;
    for (const ended of disposed.splice(0)) ended.then((loaded) => loaded.free(), () => {});
  };

  port.addEventListener('message', ({ data: message }) => {
    eventHandled();
    switch (message.type) {
      case 'abort': {
        const at = queue.findIndex(({ request }) => request.id === message.id);
        queue[at]?.abort.abort();
        // One that has not begun need not wait for its turn to end.
        if (at > 0) {
          queue.splice(at, 1);
          post({ type: 'error', id: message.id, error: errorToData(abortedError(undefined)) });
        }
        return;
      }
      case 'dispose':
        for (const { abort } of queue) abort.abort();
        queue.length = Math.min(queue.length, 1);
        if (engine) disposed.push(engine);
        engine = undefined;
        clearTimeout(idle);
        free();
        return;
      default:
        queue.push({ request: message, abort: new AbortController() });
        void drain();
    }
  });
  post({ type: 'ready' });
}

const timed = (request: Request): boolean => 'settings' in request && 'timing' in request.settings;

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
