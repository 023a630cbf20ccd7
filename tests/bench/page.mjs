// The page side of browser.mjs: loads us and transformers.js and runs either on request.
const query = new URLSearchParams(location.search);
const device = query.get('device');

/** Ours: `(texts) => rows`. */
async function ours() {
  const { load } = await import('/heatseek/index.js');
  const model = await load('/models/all-MiniLM-L6-v2/', { device: device === 'webgpu' ? 'gpu' : 'cpu', cache: false });
  const embed = async (texts) => {
    const { data, shape } = await model.embed(texts, { maxLength: 512 });
    return { data, width: shape[1] };
  };
  return { embed, info: model.info.device };
}

/** Theirs, as their documentation has it: pooled by mean and normalised, fp32. */
async function peer() {
  const { env, pipeline } = await import('/transformers/transformers.min.js');
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/peer-models/';
  env.useBrowserCache = false;
  const base = new URL('/onnxruntime/ort-wasm-simd-threaded.asyncify', location.href).href;
  env.backends.onnx.wasm.wasmPaths = { mjs: `${base}.mjs`, wasm: `${base}.wasm` };
  env.backends.onnx.wasm.numThreads = 1;
  const extractor = await pipeline('feature-extraction', 'all-MiniLM-L6-v2', { device, dtype: 'fp32' });
  const embed = async (texts) => {
    const tensor = await extractor(texts, { pooling: 'mean', normalize: true });
    return { data: tensor.data, width: tensor.dims[1] };
  };
  return { embed, info: { version: env.version } };
}

const loaders = { ours, peer };
const loaded = {};

window.start = async (name, firstText) => {
  loaded[name] = await loaders[name]();
  if (firstText) await loaded[name].embed([firstText]);
  // Milliseconds since the navigation to this page began.
  return { coldMs: performance.now(), info: loaded[name].info };
};

/** One timed call. */
window.time = async (name, texts) => {
  const began = performance.now();
  await loaded[name].embed(texts);
  return performance.now() - began;
};

/** The least cosine between our vectors and theirs. */
window.agreement = async (texts) => {
  const [a, b] = [await loaded.ours.embed(texts), await loaded.peer.embed(texts)];
  if (a.width !== b.width || a.data.length !== b.data.length) return NaN;
  let worst = Infinity;
  for (let row = 0; row < texts.length; row++) {
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
