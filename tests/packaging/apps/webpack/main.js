import { load } from 'heatseek';
import { show } from './show.js';

show(async ({ model: url, device, text }) => {
  const model = await load(url, { device, cache: false });
  const embeddings = await model.embed([text]);
  model.dispose();
  return { embeddings, info: model.info };
});
