/** Where lines between two columns of tokens run, on the page and in files. */

/** Height of a token in CSS pixels; even, so that a line of two pixels lies on whole ones. text.css has the same. */
export const ROW = 24;
/** A line leaves and arrives level for so long: there its weight can be read off whatever its slope. */
export const LEVEL = 8;
/** Lines of several heads share this much of a row. */
const BAND = 16;

/** Thickness of a line among those of so many heads. */
export function thickness(heads: number): number {
  return Math.min(2, BAND / Math.max(1, heads));
}

/** The points of a line; `slot` is the place of its head among `heads`. */
export function route(from: number, to: number, slot: number, heads: number, width: number): readonly (readonly [number, number])[] {
  const [start, end] = [middle(from, slot, heads), middle(to, slot, heads)];
  return [[0, start], [LEVEL, start], [width - LEVEL, end], [width, end]];
}

function middle(unit: number, slot: number, heads: number): number {
  return unit * ROW + ROW / 2 + (heads === 1 ? 0 : ((slot + 0.5) / heads - 0.5) * BAND);
}
