import { load } from 'heatseek';
import wasm from 'heatseek/heatseek.wasm';
import { show } from './show.js';

await show(async ({ model: url, device, text }) => {
  using model = await load(new URL(url), {
    device,
    cache: false,
    worker: new URL('./worker.js', import.meta.url),
    wasm: new URL(wasm, import.meta.url),
  });
  return { embeddings: await model.embed([text]), info: model.info };
});
