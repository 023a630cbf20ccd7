/** The maps of the picked heads of the layer in view. */

import type { TextMaps } from './maps.ts';
import type { TextState } from './state.ts';

/** One map for each picked head; none while the layer is not at hand. */
export function pickedMaps(state: TextState, maps: TextMaps): readonly Float32Array[] {
  return state.heads.flatMap((head) => maps.map(state.layer, head, state) ?? []);
}

/** What `unit` looked at: the mean of the picked heads. */
export function meanRow(state: TextState, maps: TextMaps, unit: number): Float32Array {
  const picked = pickedMaps(state, maps);
  const n = maps.units(state).length;
  return Float32Array.from({ length: n }, (_, other) => meanAt(picked, unit * n + other));
}

/** What looked at `unit`: the mean of the picked heads. */
export function meanColumn(state: TextState, maps: TextMaps, unit: number): Float32Array {
  const picked = pickedMaps(state, maps);
  const n = maps.units(state).length;
  return Float32Array.from({ length: n }, (_, other) => meanAt(picked, other * n + unit));
}

function meanAt(maps: readonly Float32Array[], at: number): number {
  return maps.reduce((sum, map) => sum + (map[at] ?? 0), 0) / Math.max(1, maps.length);
}
