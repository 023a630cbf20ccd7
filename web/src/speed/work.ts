/** What is measured: a few inputs that are the same for everybody. */

/** Every word is one token of the BERT vocabulary. */
const WORDS = ('bees carry news of far meadows home and dance it out upon the dark comb while others follow close behind to ' +
  'learn how long the way is and where the sun must stand before they fly across the river for sweet clover').split(' ');

export interface Work {
  readonly id: string;
  readonly name: string;
  readonly reads: 'text' | 'image';
  readonly inputs: () => readonly (string | ImageData)[];
}

export const WORKS: readonly [Work, ...Work[]] = [
  { id: 'query', name: 'One short text, as a question is (16 tokens)', reads: 'text', inputs: () => texts(1, 16) },
  { id: 'batch', name: 'Eight texts of a sentence or two (32 tokens each)', reads: 'text', inputs: () => texts(8, 32) },
  { id: 'passage', name: 'One long text, as a passage is (256 tokens)', reads: 'text', inputs: () => texts(1, 256) },
  { id: 'picture', name: 'One picture (256 × 256 pixels)', reads: 'image', inputs: () => [picture(256)] },
];

/** Texts of so many tokens, two of which the tokenizer adds. */
function texts(count: number, tokens: number): string[] {
  return Array.from({ length: count }, (_, text) =>
    Array.from({ length: tokens - 2 }, (_, at) => WORDS[(at * 7 + text * 5) % WORDS.length]).join(' '));
}

/** Waves of colour: no file has to be decoded. */
function picture(side: number): ImageData {
  const image = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const [x, y] = [(i % side) / side, Math.floor(i / side) / side];
    const wave = (shift: number): number => 128 + 100 * Math.sin(9 * x * (1 + y) + shift) * Math.cos(7 * y + shift);
    image.data.set([wave(0), wave(1), wave(2), 255], 4 * i);
  }
  return image;
}
