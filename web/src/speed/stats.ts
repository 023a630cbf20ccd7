/** What a handful of times says: the middle, and how far they spread. */

export interface Spread {
  readonly median: number;
  /** A quarter of the times is below, a quarter above. */
  readonly quartiles: readonly [number, number];
  readonly least: number;
  readonly most: number;
}

/** Quantiles interpolate between the two times around them. There must be a time. */
export function spread(times: readonly number[]): Spread {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)] ?? NaN, sorted[Math.ceil(place)] ?? NaN];
    return below + (above - below) * (place % 1);
  };
  return { median: at(0.5), quartiles: [at(0.25), at(0.75)], least: at(0), most: at(1) };
}

/** The least cosine between the rows of two matrices of the same shape; `NaN` where they have none. */
export function leastCosine(a: ArrayLike<number>, b: ArrayLike<number>, width: number): number {
  if (a.length !== b.length || a.length === 0 || a.length % width !== 0) return NaN;
  let least = Infinity;
  for (let row = 0; row < a.length; row += width) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row; i < row + width; i++) {
      const [x, y] = [a[i] ?? NaN, b[i] ?? NaN];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    const cosine = ab / Math.sqrt(aa * bb);
    if (Number.isNaN(cosine)) return NaN;
    least = Math.min(least, cosine);
  }
  return least;
}

/** `0.41 ms`, `12.3 ms`, `1,234 ms`. */
export function milliseconds(ms: number): string {
  const digits = ms < 1 ? 2 : ms < 100 ? 1 : 0;
  return `${ms.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ms`;
}
