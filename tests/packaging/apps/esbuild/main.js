import { load } from 'heatseek';
import baseline from 'heatseek/heatseek.wasm';
import relaxed from 'heatseek/heatseek-relaxed.wasm';
import extras from 'heatseek/heatseek-extras.wasm';
import { show } from './show.js';

await show(async ({ model: url, device, text }) => {
  using model = await load(new URL(url), {
    device,
    cache: false,
    worker: new URL('./worker.js', import.meta.url),
    wasm: {
      baseline: new URL(baseline, import.meta.url),
      relaxed: new URL(relaxed, import.meta.url),
      extras: new URL(extras, import.meta.url),
    },
  });
  return { embeddings: await model.embed([text]), info: model.info };
});
