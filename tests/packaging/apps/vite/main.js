import { createIndex, load } from 'heatseek';
import { show } from './show.js';

await show(async ({ model: url, device, text }) => {
  const model = await load(new URL(url), { device, cache: false });
  const embeddings = await model.embed(text);
  const index = await createIndex({ model });
  await index.add(['Bread rises because yeast makes gas.', { id: 'bees', text: '🐝 Bees dance to say where flowers are.' }]);
  const [hit] = await index.search('how do bees navigate', { topK: 1 });
  index.dispose();
  model.dispose();
  return { embeddings, info: model.info, hit };
});
