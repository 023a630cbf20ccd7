// Texts of known lengths: every word is one token of the BERT vocabulary, two more are special.
const WORDS = ('the river carried small boats past old stone houses while children watched from a bridge and counted ' +
  'every red sail before dinner when warm light filled each window and music came across quiet water toward green hills ' +
  'where farmers cut long grass under summer sky until night brought cool wind').split(' ');

/** A text of `tokens` tokens, different for every `seed`. */
export function text(tokens, seed) {
  return Array.from({ length: tokens - 2 }, (_, i) => WORDS[(i * 7 + seed * 13 + Math.floor(i / WORDS.length)) % WORDS.length]).join(' ');
}

const fixed = (count, tokens) => Array.from({ length: count }, (_, i) => text(tokens, i));
const mixed = (count, least, most) =>
  Array.from({ length: count }, (_, i) => text(Math.round(least + ((most - least) * ((i * 5) % count)) / (count - 1)), i));

/** Cases a software GPU finishes in reasonable time, and those for everything faster. */
export const CASES = {
  software: {
    '1x12': fixed(1, 12),
    '4x32': fixed(4, 32),
    '1x128': fixed(1, 128),
    '8 mixed 8-128': mixed(8, 8, 128),
  },
  full: {
    '1x12': fixed(1, 12),
    '32x32': fixed(32, 32),
    '8x128': fixed(8, 128),
    '1x512': fixed(1, 512),
    '64 mixed 8-400': mixed(64, 8, 400),
  },
};
