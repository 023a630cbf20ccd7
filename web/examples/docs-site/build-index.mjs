// Makes the index of the site, in Node: node build-index.mjs [OUTPUT]
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createIndex, load } from 'heatseek';

const PAGES = fileURLToPath(new URL('pages', import.meta.url));
const MODEL = process.env.MODEL ?? fileURLToPath(new URL('../../../models/all-MiniLM-L6-v2', import.meta.url));
const output = process.argv[2] ?? fileURLToPath(new URL('docs.heatseek', import.meta.url));

/** A document for each section, so that a hit leads to its heading. */
function sections(page, markdown) {
  const [, title = page] = /^# (.+)/m.exec(markdown) ?? [];
  return markdown.split(/^(?=## )/m).map((text) => {
    const [, heading] = /^## (.+)/.exec(text) ?? [];
    const anchor = heading ? `#${heading.toLowerCase().replaceAll(/[^\w]+/g, '-')}` : '';
    return {
      id: page + anchor,
      text,
      metadata: { url: `pages/${page}${anchor}`, title: heading ? `${title}: ${heading}` : title },
    };
  });
}

const model = await load(MODEL);
const index = await createIndex({ model, storage: 'int8' });
for (const page of (await readdir(PAGES)).sort()) {
  await index.add(sections(page, await readFile(join(PAGES, page), 'utf8')), { chunk: { markdown: true } });
}
const file = await index.export();
await writeFile(output, Buffer.from(await file.arrayBuffer()));
console.log(`${index.size} sections, ${file.size} bytes: ${output}`);
model.dispose();
