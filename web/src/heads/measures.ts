/** The numbers of a head that its square can be coloured by. */

import type { Analysis, HeadOffset } from 'heatseek';

export interface Measure {
  readonly id: string;
  readonly name: string;
  /** Completes "the hotter, the …". */
  readonly about: string;
  /** One for each head; nothing where the input has none. */
  readonly values: (analysis: Analysis) => ArrayLike<number> | undefined;
  /** A number in words, of the head at `index`. */
  readonly say: (value: number, analysis: Analysis, index: number) => string;
}

const share = (value: number): string => value.toFixed(3);

export const MEASURES: readonly Measure[] = [
  {
    id: 'entropy', name: 'Entropy', about: 'more tokens share what is looked at',
    values: ({ entropy }) => entropy, say: (value) => `${value.toFixed(3)} nats`,
  },
  {
    id: 'special', name: 'Share on special tokens', about: 'more goes to tokens that stand for no text and no patch',
    values: ({ specialMass }) => specialMass, say: share,
  },
  { id: 'previous', name: 'Share on the previous token', about: 'more goes one token back', values: (all) => ofText(all, all.previous), say: share },
  { id: 'self', name: 'Share on the token itself', about: 'more stays where it is', values: (all) => ofText(all, all.self), say: share },
  { id: 'next', name: 'Share on the next token', about: 'more goes one token on', values: (all) => ofText(all, all.next), say: share },
  {
    id: 'distance', name: 'Distance', about: 'farther patches look',
    values: ({ distance }) => distance, say: (value) => `${value.toFixed(2)} patches`,
  },
  {
    id: 'offset', name: 'Share at one offset', about: 'more goes to the patch at the same place beside each',
    values: ({ offsets }) => offsets && Float32Array.from(offsets, (offset) => offset.share),
    say: (value, { offsets }, index) => `${share(value)} ${offsetName(offsets?.[index])}`,
  },
];

/** Those that an input has. */
export function measuresOf(analysis: Analysis): readonly Measure[] {
  return MEASURES.filter(({ values }) => values(analysis) !== undefined);
}

/** Before and after are in the order of reading: of patches, they say little. */
function ofText({ layout }: Analysis, values: Float32Array): Float32Array | undefined {
  return layout.kind === 'text' ? values : undefined;
}

function offsetName(offset: HeadOffset | undefined): string {
  if (!offset) return '';
  const { dx, dy, local } = offset;
  const across = dx === 0 ? '' : `${Math.abs(dx)} ${dx < 0 ? 'left' : 'right'}`;
  const down = dy === 0 ? '' : `${Math.abs(dy)} ${dy < 0 ? 'up' : 'down'}`;
  const place = [across, down].filter(Boolean).join(', ') || 'on the patch itself';
  return local ? `${place}: this head looks at one neighbour` : place;
}
