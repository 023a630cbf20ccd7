// node tests/bench/paste.mjs bench/results/DATE-browser
//
// Puts what `npm run bench:browser -- --out` wrote between the marks of docs/performance.md (the whole table) and of
// README.md (a line for each setting), so that no figure in them is typed.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './site.mjs';

const [BEGIN, END] = ['<!-- begin: npm run bench:browser -->', '<!-- end: npm run bench:browser -->'];

const folder = process.argv[2];
if (!folder) {
  console.error('which report? node tests/bench/paste.mjs FOLDER');
  process.exit(2);
}
for (const [page, part] of [['docs/performance.md', 'report.md'], ['README.md', 'summary.md']]) {
  const path = join(ROOT, page);
  const text = readFileSync(path, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${page} has no marks ${BEGIN} … ${END}`);
  const table = readFileSync(join(folder, part), 'utf8').trim();
  writeFileSync(path, `${text.slice(0, begin + BEGIN.length)}\n${table}\n${text.slice(end)}`);
  console.log(`${page}: ${table.split('\n').length} lines`);
}
