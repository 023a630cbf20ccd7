/** Rows and columns of what is drawn: tokens, or words put together from them. Arithmetic only. */

import type { Token } from 'heatseek';

import type { TextLayout } from './maps.ts';

export interface Unit {
  /** What is written beside it. */
  readonly label: string;
  /** Where it is in the layout's text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly special: boolean;
  /** Its tokens, from the first to before the last. */
  readonly first: number;
  readonly last: number;
}

const LETTER = /^[\p{L}\p{N}\p{M}]/u;
const LETTER_LAST = /[\p{L}\p{N}\p{M}]$/u;

/** The tokens, or words, of a layout that are shown. */
export function unitsOf({ tokens, text }: TextLayout, words: boolean, hideSpecial: boolean): readonly Unit[] {
  const units: Unit[] = [];
  tokens.forEach((token, at) => {
    if (hideSpecial && token.special) return;
    const { special, start, end } = token;
    const before = units.at(-1);
    const goesOn = continues(tokens[at - 1], token);
    if (words && before && goesOn) {
      units[units.length - 1] = { ...before, end, label: text.slice(before.start, end), last: at + 1 };
    } else {
      const label = special ? specialName(tokens, at) : token.text;
      units.push({ label: goesOn && !special ? `·${label}` : label, start, end, special, first: at, last: at + 1 });
    }
  });
  return units;
}

/** Whether `token` is the rest of the word that `before` began: letters or digits that touch. */
function continues(before: Token | undefined, token: Token): boolean {
  return before !== undefined && !before.special && !token.special && before.end === token.start
    && LETTER_LAST.test(before.text) && LETTER.test(token.text);
}

/** Special tokens cover no text; BERT's are at the ends. */
function specialName(tokens: readonly Token[], at: number): string {
  if (at === 0) return '[CLS]';
  return at === tokens.length - 1 ? '[SEP]' : '[special]';
}

/** A map over units from one over tokens: a split word gets the sum of its columns and the mean of its rows. */
export function fold(map: Float32Array, tokens: number, units: readonly Unit[]): Float32Array {
  const folded = new Float32Array(units.length ** 2);
  units.forEach((row, i) => {
    const share = 1 / (row.last - row.first);
    units.forEach((column, j) => {
      let sum = 0;
      for (let r = row.first; r < row.last; r++) {
        for (let c = column.first; c < column.last; c++) sum += map[r * tokens + c] ?? 0;
      }
      folded[i * units.length + j] = sum * share;
    });
  });
  return folded;
}

/** A row over units, of numbers that are shares: a split word gets the sum. */
export function foldRow(row: ArrayLike<number>, units: readonly Unit[]): Float32Array {
  return Float32Array.from(units, ({ first, last }) => {
    let sum = 0;
    for (let token = first; token < last; token++) sum += row[token] ?? 0;
    return sum;
  });
}
