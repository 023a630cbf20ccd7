/** Tables: every row is searched by itself, its cells under the names of their columns. */

import Papa from 'papaparse';

import { decode } from './decode.ts';
import type { Part } from './formats.ts';

/** The rows of a table. What separates cells is guessed from the first of them. */
export function readCsv(bytes: Uint8Array): Part[] {
  const { data } = Papa.parse<string[]>(decode(bytes), { skipEmptyLines: 'greedy' });
  const [first = []] = data;
  const named = data.length > 1 && isHeader(first);
  return data.slice(named ? 1 : 0).map((row, at) => ({ text: rowText(row, named ? first : []), title: `row ${at + (named ? 2 : 1)}` }));
}

/** Names of columns are all there, all different and no numbers. */
function isHeader(row: readonly string[]): boolean {
  const names = row.map((cell) => cell.trim());
  return new Set(names).size === names.length && names.every((name) => name !== '' && Number.isNaN(Number(name)));
}

function rowText(row: readonly string[], names: readonly string[]): string {
  const cells = row.flatMap((cell, at) => {
    const text = cell.trim();
    if (text === '') return [];
    const name = names[at]?.trim();
    return [name === undefined ? text : `${name}: ${text}`];
  });
  return cells.join('\n');
}
