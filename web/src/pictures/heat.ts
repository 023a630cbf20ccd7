/** From rows of attention to the heat that is drawn. Arithmetic only. */

import type { Fusion, Maps } from './maps.ts';
import type { Heat, ImageLayout, Look } from './state.ts';

/**
 * A token is a sink if, over all layers, heads and tokens that look, it gets this many times its even share. Tokens of
 * plain background get about once theirs, the objects of a picture two or three times.
 */
const SINK_TIMES = 8;

/** What to call the token `index` of a picture. */
export function tokenName({ prefixTokens, grid }: ImageLayout, index: number): string {
  const kind = prefixTokens[index];
  if (kind === undefined) {
    const patch = index - prefixTokens.length;
    return `patch in row ${Math.floor(patch / grid.columns) + 1}, column ${(patch % grid.columns) + 1}`;
  }
  if (kind !== 'register') return kind === 'cls' ? 'CLS token' : 'distillation token';
  const number = prefixTokens.slice(0, index + 1).filter((other) => other === 'register').length;
  return `register ${number}`;
}

/** Heads of one row made into one. */
export function fuse(rows: readonly Float32Array[], fusion: Fusion): Float32Array {
  const [first] = rows;
  if (!first) return new Float32Array();
  const out = Float32Array.from(first);
  for (const row of rows.slice(1)) {
    for (let i = 0; i < out.length; i++) {
      const value = row[i] ?? 0;
      const so = out[i] ?? 0;
      out[i] = fusion === 'mean' ? so + value : fusion === 'max' ? Math.max(so, value) : Math.min(so, value);
    }
  }
  return fusion === 'mean' ? out.map((sum) => sum / rows.length) : out;
}

/** The row of `query` in one layer: of one head, or of all as one. */
export function layerRow(maps: Maps, layer: number, head: number | 'all', fusion: Fusion, query: number): Float32Array | undefined {
  if (head !== 'all') return maps.row(layer, head, query);
  const rows = Array.from({ length: maps.heads }, (_, h) => maps.row(layer, h, query));
  return rows.every((row) => row !== undefined) ? fuse(rows, fusion) : undefined;
}

/** The row that `look` asks for. Absent where it has not been fetched. */
export function rowOf(maps: Maps, { layer, head, fusion, query }: Look): Float32Array | undefined {
  return layerRow(maps, layer, head, fusion, query);
}

/** The tokens, prefix tokens included, that take an outlying share of all attention at hand. */
export function sinks(maps: Maps): readonly number[] {
  const { heads, tokens, present } = maps;
  const mass = new Float64Array(tokens);
  for (const layer of present) {
    for (let head = 0; head < heads; head++) {
      for (let query = 0; query < tokens; query++) {
        const row = maps.row(layer, head, query);
        for (let i = 0; row && i < tokens; i++) mass[i] = (mass[i] ?? 0) + (row[i] ?? 0);
      }
    }
  }
  // Each row sums to 1, so that an even share of all rows is their number over that of the tokens.
  const even = present.length * heads;
  return [...mass.keys()].filter((token) => (mass[token] ?? 0) > SINK_TIMES * even);
}

/** The tokens whose columns are left out. */
export function hiddenTokens(look: Look, layout: ImageLayout, sinkTokens: readonly number[]): readonly number[] {
  const registers = layout.prefixTokens.flatMap((kind, i) => (kind === 'register' ? [i] : []));
  return [...new Set([...(look.hideRegisters ? registers : []), ...(look.hideSinks ? sinkTokens : [])])];
}

/** `row` without some columns; what is left sums to what all of it summed to. */
export function without(row: Float32Array, hidden: readonly number[]): Float32Array {
  if (hidden.length === 0) return row;
  const out = Float32Array.from(row);
  for (const token of hidden) out[token] = 0;
  const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
  const left = sum(out);
  const all = sum(row);
  return left > 0 ? out.map((value) => (value * all) / left) : out;
}

/** What `look` draws of `maps`: nothing while it is being fetched. */
export function heatOf(maps: Maps, look: Look): Heat | undefined {
  const row = rowOf(maps, look);
  return row && heatOfRow(row, maps.layout, hiddenOf(maps, look));
}

/** The tokens whose columns are left out. Sinks are looked for once for each set of maps. */
export function hiddenOf(maps: Maps, look: Look): readonly number[] {
  let found: readonly number[] = [];
  if (look.hideSinks) {
    found = sinksOf.get(maps) ?? sinks(maps);
    sinksOf.set(maps, found);
  }
  return hiddenTokens(look, maps.layout, found);
}

const sinksOf = new WeakMap<Maps, readonly number[]>();

/** The heat of a row of shares: from nothing to the most that a patch got. */
export function heatOfRow(row: Float32Array, layout: ImageLayout, hidden: readonly number[] = []): Heat {
  const first = layout.prefixTokens.length;
  const values = without(row, hidden).subarray(first);
  return {
    values,
    grid: layout.grid,
    crop: layout.crop,
    low: 0,
    high: most(values),
    hidden: hidden.filter((token) => token >= first).map((token) => token - first),
  };
}

/** The heat of numbers that may lie on both sides of 0: from the least to the most. */
export function heatOfValues(row: Float32Array, layout: ImageLayout): Heat {
  const values = row.subarray(layout.prefixTokens.length);
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  return { values, grid: layout.grid, crop: layout.crop, low, high: most(values), hidden: [] };
}

function most(values: Float32Array): number {
  return values.reduce((top, value) => Math.max(top, value), -Infinity);
}
