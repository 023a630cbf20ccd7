// The page side of browser.mjs: one side, ours or transformers.js, with one model. Inputs are texts, or `{ seed }` of a
// picture of pictures.mjs.
import { LOOKS, check } from './looks.mjs';
import { SIDE, rgb, rgba } from './pictures.mjs';

const query = Object.fromEntries(new URLSearchParams(location.search));

/** `make` of each seed, once: decoded pixels are where timing begins. */
const pictures = (make) => {
  const made = new Map();
  return (inputs) => inputs.map((input) => {
    if (typeof input === 'string') return input;
    if (!made.has(input.seed)) made.set(input.seed, make(input.seed));
    return made.get(input.seed);
  });
};

/** Ours: `(inputs) => rows`. */
async function ours() {
  const { load } = await import('/heatseek/index.js');
  const options = { device: query.device === 'webgpu' ? 'gpu' : 'cpu', dtype: query.dtype, cache: false };
  // Without isolation there is one thread, and no need to say so.
  if (query.threads > 1) options.threads = Number(query.threads);
  const model = await load(`/models/${query.model}/`, options);
  const how = model.info.input === 'text' ? { maxLength: 512 } : {};
  const embed = async (inputs) => {
    const { data, shape } = await model.embed(inputs, how);
    return { data, width: shape[1] };
  };
  return { model, embed, inputs: pictures((seed) => new ImageData(rgba(seed), SIDE, SIDE)), info: model.info.device };
}

/** Theirs, as their documentation has it: texts pooled by mean and normalised, of pictures the class token. */
async function peer() {
  const { env, pipeline, RawImage } = await import('/transformers/transformers.min.js');
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/peer-models/';
  env.useBrowserCache = false;
  const base = new URL(`/onnxruntime/ort-wasm-simd-threaded${query.runtime}`, location.href).href;
  env.backends.onnx.wasm.wasmPaths = { mjs: `${base}.mjs`, wasm: `${base}.wasm` };
  env.backends.onnx.wasm.numThreads = Number(query.threads);
  const task = query.input === 'text' ? 'feature-extraction' : 'image-feature-extraction';
  const extractor = await pipeline(task, query.graph, { device: query.device, dtype: query.dtype });
  const embed = {
    'feature-extraction': async (texts) => {
      const tensor = await extractor(texts, { pooling: 'mean', normalize: true });
      return { data: tensor.data, width: tensor.dims[1] };
    },
    'image-feature-extraction': async (images) => {
      const { data, dims: [count, tokens, width] } = await extractor(images);
      const classes = new Float32Array(count * width);
      for (let i = 0; i < count; i++) classes.set(data.subarray(i * tokens * width, i * tokens * width + width), i * width);
      return { data: classes, width };
    },
  }[task];
  return { embed, inputs: pictures((seed) => new RawImage(rgb(seed), SIDE, SIDE, 3)), info: { name: 'transformers.js', version: env.version } };
}

let side;

/** Loads this side; with `first`, embeds that too. Milliseconds are since the navigation to this page began. */
window.start = async (first) => {
  side = await { ours, peer }[query.side]();
  if (first) await side.embed(side.inputs(first));
  return { coldMs: performance.now(), info: side.info };
};

const timed = async (call) => {
  const began = performance.now();
  await call();
  return performance.now() - began;
};

/** The vectors, row-major. */
window.answer = async (inputs) => {
  const { data, width } = await side.embed(side.inputs(inputs));
  return { data: Array.from(data), width };
};

/** Milliseconds of a call, the mean of `calls` in a row. */
window.time = async (inputs, calls) => {
  const made = side.inputs(inputs);
  return (await timed(async () => {
    for (let call = 0; call < calls; call++) await side.embed(made);
  })) / calls;
};

/** One timed look of looks.mjs, or `forward`. */
window.timeLook = (look, inputs) => {
  const [picture] = side.inputs(inputs);
  if (look === 'forward') return timed(() => side.embed([picture]));
  return timed(() => side.model.attention(picture, LOOKS[look]));
};

window.checkLooks = (inputs) => check(side.model, side.inputs(inputs)[0]);
window.loaded = true;
