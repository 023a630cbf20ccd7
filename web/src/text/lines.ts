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

/** Whether one unit may look at another; all may where there is none. */
export type May = ((from: number, to: number) => boolean) | undefined;

/**
 * The strongest lines of `maps`, n x n each, or all of the one that is in focus. A long text has millions: they are
 * counted by strength in plain loops, which finds the cut without sorting them.
 */
export function linesOf(maps: readonly Float32Array[], n: number, focus: Focus | undefined, may: May): Lines {
  const [firstRow, lastRow] = focus?.side === 'from' ? [focus.unit, focus.unit + 1] : [0, n];
  const [firstColumn, lastColumn] = focus?.side === 'to' ? [focus.unit, focus.unit + 1] : [0, n];
  const counts = new Uint32Array(BINS + 1);
  let all = 0;
  let most = 0;
  for (const map of maps) {
    for (let from = firstRow; from < lastRow; from++) {
      for (let to = firstColumn; to < lastColumn; to++) {
        if (may && !may(from, to)) continue;
        const weight = map[from * n + to] ?? 0;
        const bin = Math.min(BINS, Math.floor(weight * BINS));
        counts[bin] = (counts[bin] ?? 0) + 1;
        if (weight > most) most = weight;
        all++;
      }
    }
  }
  let cut = BINS;
  for (let kept = counts[cut] ?? 0; cut > 0; cut--) {
    kept += counts[cut - 1] ?? 0;
    if (kept > MOST_LINES) break;
  }
  const least = Math.max(FAINTEST * most, cut / BINS);
  const lines: Line[] = [];
  maps.forEach((map, slot) => {
    for (let from = firstRow; from < lastRow && lines.length < MOST_LINES; from++) {
      for (let to = firstColumn; to < lastColumn; to++) {
        const weight = map[from * n + to] ?? 0;
        if (weight > 0 && weight >= least && (!may || may(from, to))) lines.push({ from, to, slot, weight });
      }
    }
  });
  return { lines, all, least, most };
}

/** Where the second sentence begins: the text's only line break between words. */
export function secondSentence(text: string): number | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 2 ? text.indexOf(lines[1] ?? '') : undefined;
}

/** Whether a unit may look at another, as `between` says. */
export function mayLook(units: readonly Unit[], text: string, between: Between): May {
  const second = between === 'all' ? undefined : secondSentence(text);
  if (second === undefined) return undefined;
  // A special token belongs to the sentence before it, the first to the first.
  let side = 'a';
  const sides = units.map(({ start, special }) => {
    if (!special && start >= second) side = 'b';
    return side;
  });
  return (from, to) => sides[from] === between[0] && sides[to] === between[1];
}
