/**
 * Attention as JSON that bertviz reads: `attention` is [layers][heads][tokens][tokens] and `tokens` are the model's,
 * whatever the page shows. In Python:
 *
 *     d = json.load(open('attention.json'))
 *     head_view([torch.tensor([layer]) for layer in d['attention']], d['tokens'])
 */

import type { TextMaps } from '../text/maps.ts';

/** All maps at hand. The JSON is made in pieces, as one string could not hold long texts. */
export function bertvizFile(maps: TextMaps): Blob {
  const { layout, tokens, heads } = maps;
  const layers = Array.from({ length: maps.layers }, (_, layer) => layer).filter((layer) => maps.has(layer));
  const every = Array.from({ length: heads }, (_, head) => head);
  const names = maps.units({ words: false, hideSpecial: false }).map(({ label, special }) =>
    special ? label : label.replace(/^·/, '##'));
  const parts: string[] = [`{"tokens":${JSON.stringify(names)},"text":${JSON.stringify(layout.text)},"layers":${JSON.stringify(layers)},"attention":[`];
  layers.forEach((layer, at) => {
    parts.push(at === 0 ? '[' : ',[');
    for (const head of every) parts.push(head === 0 ? '' : ',', matrix(maps.raw(layer, head) ?? new Float32Array(), tokens));
    parts.push(']');
  });
  parts.push(']}');
  return new Blob(parts, { type: 'application/json' });
}

/** Rows of numbers with every digit that a float32 holds. */
export function matrix(map: Float32Array, columns: number): string {
  const rows: string[] = [];
  for (let at = 0; at < map.length; at += columns) {
    rows.push(`[${Array.from(map.subarray(at, at + columns), (value) => Number(value.toPrecision(9))).join(',')}]`);
  }
  return `[${rows.join(',')}]`;
}
