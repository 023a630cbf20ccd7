// The page side of browser.mjs: loads us and transformers.js and runs either on request. Inputs are texts, or
// `{ seed }` of a picture of pictures.mjs.
import { LOOKS, check } from './looks.mjs';
import { SIDE, rgb, rgba } from './pictures.mjs';

const query = new URLSearchParams(location.search);
const [device, name, peerName] = ['device', 'model', 'peer'].map((key) => query.get(key));

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
  const model = await load(`/models/${name}/`, { device: device === 'webgpu' ? 'gpu' : 'cpu', cache: false });
  const options = model.info.input === 'text' ? { maxLength: 512 } : {};
  const embed = async (inputs) => {
    const { data, shape } = await model.embed(inputs, options);
    return { data, width: shape[1] };
  };
  return { model, embed, inputs: pictures((seed) => new ImageData(rgba(seed), SIDE, SIDE)), info: model.info.device };
}

/** Theirs, as their documentation has it: fp32; texts pooled by mean and normalised, of pictures the class token. */
async function peer() {
  const { env, pipeline, RawImage } = await import('/transformers/transformers.min.js');
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/peer-models/';
  env.useBrowserCache = false;
  const base = new URL('/onnxruntime/ort-wasm-simd-threaded.asyncify', location.href).href;
  env.backends.onnx.wasm.wasmPaths = { mjs: `${base}.mjs`, wasm: `${base}.wasm` };
  env.backends.onnx.wasm.numThreads = 1;
  const task = query.get('input') === 'text' ? 'feature-extraction' : 'image-feature-extraction';
  const extractor = await pipeline(task, peerName, { device, dtype: 'fp32' });
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
  return { embed, inputs: pictures((seed) => new RawImage(rgb(seed), SIDE, SIDE, 3)), info: { version: env.version } };
}

const loaders = { ours, peer };
const loaded = {};

window.start = async (who, first) => {
  loaded[who] = await loaders[who]();
  if (first) await loaded[who].embed(loaded[who].inputs(first));
  // Milliseconds since the navigation to this page began.
  return { coldMs: performance.now(), info: loaded[who].info };
};

const timed = async (call) => {
  const began = performance.now();
  await call();
  return performance.now() - began;
};

/** One timed call. */
window.time = (who, inputs) => {
  const made = loaded[who].inputs(inputs);
  return timed(() => loaded[who].embed(made));
};

/** One timed look of looks.mjs, or `forward`. */
window.timeLook = (look, inputs) => {
  const [picture] = loaded.ours.inputs(inputs);
  if (look === 'forward') return timed(() => loaded.ours.embed([picture]));
  return timed(() => loaded.ours.model.attention(picture, LOOKS[look]));
};

window.checkLooks = (inputs) => check(loaded.ours.model, loaded.ours.inputs(inputs)[0]);

/** The least cosine between our vectors and theirs. */
window.agreement = async (inputs) => {
  const answer = (who) => loaded[who].embed(loaded[who].inputs(inputs));
  const [a, b] = [await answer('ours'), await answer('peer')];
  if (a.width !== b.width || a.data.length !== b.data.length) return NaN;
  let worst = Infinity;
  for (let row = 0; row < inputs.length; row++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row * a.width; i < (row + 1) * a.width; i++) {
      ab += a.data[i] * b.data[i];
      aa += a.data[i] ** 2;
      bb += b.data[i] ** 2;
    }
    const cosine = ab / Math.sqrt(aa * bb);
    worst = cosine < worst || Number.isNaN(cosine) ? cosine : worst;
  }
  return worst;
};
window.loaded = true;
