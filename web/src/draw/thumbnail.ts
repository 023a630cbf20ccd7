/** One head's map, small. */

import { drawHeat } from './heat.ts';
import { themeShades } from './theme.ts';

/** More rows than this cannot be told apart in a thumbnail. */
const MOST_ROWS = 96;

/** Draws a map, n x n. Most weights are small: how hot they are drawn is their square root. */
export function drawThumbnail(canvas: HTMLCanvasElement, map: Float32Array, n: number): void {
  drawHeat(canvas, shrink(map, n), Math.min(n, MOST_ROWS), themeShades(), Math.sqrt);
}

/** A map of at most {@link MOST_ROWS} rows: of each block its highest weight, or thin stripes would vanish. */
function shrink(map: Float32Array, n: number): Float32Array {
  if (n <= MOST_ROWS) return map;
  const small = new Float32Array(MOST_ROWS ** 2);
  const to = Array.from({ length: n }, (_, i) => Math.floor((i * MOST_ROWS) / n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const at = (to[i] ?? 0) * MOST_ROWS + (to[j] ?? 0);
      const weight = map[i * n + j] ?? 0;
      if (weight > (small[at] ?? 0)) small[at] = weight;
    }
  }
  return small;
}
