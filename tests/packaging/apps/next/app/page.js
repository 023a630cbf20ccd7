'use client';

import { useEffect } from 'react';
import { load, version } from 'heatseek';
import { show } from '../show.js';

export default function Page() {
  useEffect(() => {
    show(async ({ model: url, device, text }) => {
      const model = await load(url, { device, cache: false });
      const embeddings = await model.embed([text]);
      model.dispose();
      return { embeddings, info: model.info };
    });
  }, []);
  return <p>Heatseek {version}</p>;
}
