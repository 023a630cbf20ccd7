/** Which lines are drawn from tokens to what they looked at. Arithmetic only: the canvas and the SVG draw the same list. */

import type { Between, Focus } from './state.ts';
import type { Unit } from './units.ts';

export interface Line {
  readonly from: number;
  readonly to: number;
  /** Place among the picked heads. */
  readonly slot: number;
  readonly weight: number;
}

export interface Lines {
  readonly lines: readonly Line[];
  /** How many there would be. */
  readonly all: number;
  /** Those below it are not among them. */
  readonly least: number;
  /** The strongest weight: what full opacity stands for. */
  readonly most: number;
}

/** More lines are a blur, and slow to draw. */
export const MOST_LINES = 4000;
/** Fainter than half a step of 8-bit opacity. */
const FAINTEST = 1 / 510;
const BINS = 1024;

/** The strongest lines of `maps`, n x n each, or all of the one that is in focus. */
export function linesOf(maps: readonly Float32Array[], n: number, focus: Focus | undefined, may: (from: number, to: number) => boolean): Lines {
  const rows = focus?.side === 'from' ? [focus.unit] : Array.from({ length: n }, (_, i) => i);
  const columns = focus?.side === 'to' ? [focus.unit] : Array.from({ length: n }, (_, i) => i);
  const counts = new Uint32Array(BINS + 1);
  let all = 0;
  let most = 0;
  const each = (visit: (from: number, to: number, slot: number, weight: number) => void): void => {
    for (const from of rows) {
      for (const to of columns) {
        if (!may(from, to)) continue;
        maps.forEach((map, slot) => visit(from, to, slot, map[from * n + to] ?? 0));
      }
    }
  };
  // Counting by strength finds the cut without sorting millions of weights.
  each((_from, _to, _slot, weight) => {
    all++;
    if (weight > most) most = weight;
    const bin = binOf(weight);
    counts[bin] = (counts[bin] ?? 0) + 1;
  });
  let cut = BINS;
  for (let kept = counts[cut] ?? 0; cut > 0; ) {
    kept += counts[cut - 1] ?? 0;
    if (kept > MOST_LINES) break;
    cut--;
  }
  const least = Math.max(FAINTEST * most, cut / BINS);
  const lines: Line[] = [];
  each((from, to, slot, weight) => {
    if (weight > 0 && weight >= least) lines.push({ from, to, slot, weight });
  });
  return { lines: lines.slice(0, MOST_LINES), all, least, most };
}

function binOf(weight: number): number {
  return Math.max(0, Math.min(BINS, Math.floor(weight * BINS)));
}

/** Where the second sentence begins: the text's only line break between words. */
export function secondSentence(text: string): number | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 2 ? text.indexOf(lines[1] ?? '') : undefined;
}

/** Whether a unit may look at another, as `between` says. */
export function mayLook(units: readonly Unit[], text: string, between: Between): (from: number, to: number) => boolean {
  const second = between === 'all' ? undefined : secondSentence(text);
  if (second === undefined) return () => true;
  // A special token belongs to the sentence before it, the first to the first.
  let side = 'a';
  const sides = units.map(({ start, special }) => {
    if (!special && start >= second) side = 'b';
    return side;
  });
  return (from, to) => sides[from] === between[0] && sides[to] === between[1];
}
