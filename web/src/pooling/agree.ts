/** How alike two rankings are. Arithmetic only: a ranking is an array of different names, best first. */

/** The share of their first `k` that two rankings have in common; of shorter ones, of all they have. */
export function overlap(a: readonly string[], b: readonly string[], k: number): number {
  const size = Math.min(k, Math.max(a.length, b.length));
  if (size === 0) return 1;
  const first = new Set(a.slice(0, size));
  return b.slice(0, size).filter((name) => first.has(name)).length / size;
}

/**
 * Kendall's tau over what both rank: 1 where every pair is in the same order, -1 where every pair is in the other.
 * None if they share fewer than two. Takes n log n steps.
 */
export function kendallTau(a: readonly string[], b: readonly string[]): number | undefined {
  const places = new Map(b.map((name, place) => [name, place]));
  const order = a.flatMap((name) => places.get(name) ?? []);
  const pairs = (order.length * (order.length - 1)) / 2;
  return pairs === 0 ? undefined : 1 - (2 * inversions(order)) / pairs;
}

/** Pairs of numbers of which the larger comes first, counted while merging sorted runs. `numbers` are sorted in place. */
function inversions(numbers: number[]): number {
  let count = 0;
  for (let width = 1; width < numbers.length; width *= 2) {
    for (let start = 0; start + width < numbers.length; start += 2 * width) {
      const left = numbers.slice(start, start + width);
      const right = numbers.slice(start + width, start + 2 * width);
      let [i, j] = [0, 0];
      for (let at = start; at < start + left.length + right.length; at++) {
        if (j >= right.length || (i < left.length && (left[i] ?? 0) <= (right[j] ?? 0))) {
          numbers[at] = left[i++] ?? 0;
        } else {
          numbers[at] = right[j++] ?? 0;
          // All that is left of the left run is larger.
          count += left.length - i;
        }
      }
    }
  }
  return count;
}

/** A name that is among the first of one ranking or its neighbour. Ranks count from 1; none where it is not ranked at all. */
export interface Move {
  readonly name: string;
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** What is among the first `k` of `from` or of `to`, with its rank in both: first those of `from`, then the newcomers. */
export function moves(from: readonly string[], to: readonly string[], k: number): Move[] {
  const rank = (ranking: readonly string[], name: string): number | undefined => {
    const place = ranking.indexOf(name);
    return place < 0 ? undefined : place + 1;
  };
  const shown = new Set([...from.slice(0, k), ...to.slice(0, k)]);
  return [...shown].map((name) => ({ name, from: rank(from, name), to: rank(to, name) }));
}
