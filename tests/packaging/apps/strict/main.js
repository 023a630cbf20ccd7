import { show } from './show.js';

show(async ({ heatseek, model: url, device, text }) => {
  const { load } = await import(heatseek);
  const model = await load(url, { device, cache: false, retries: 0 });
  const embeddings = await model.embed([text]);
  model.dispose();
  return { embeddings, info: model.info };
});
