/** PDF files know where letters are and nothing of paragraphs: lines are put together from where they stand. */

/** A piece of text on a page. */
export interface Piece {
  readonly str: string;
  /** Whether a line ends after it. */
  readonly hasEOL: boolean;
  /** Size of its letters in points; 0 of a piece that only ends a line. */
  readonly height: number;
  /** Where it is: the last element is the height of its baseline above the page's foot, in points. */
  readonly transform: readonly number[];
}

/** Lines of one paragraph are less than this times the size of their letters apart; 1.2 is usual, up to 1.5 is read as one. */
const PARAGRAPH_GAP = 1.7;

/** The text of a page, with an empty line between paragraphs and none within. */
export function paragraphs(pieces: readonly Piece[]): string {
  let out = '';
  let line = '';
  let last: { readonly y: number; readonly height: number } | undefined;
  let at: typeof last;
  const end = (): void => {
    const text = line.replace(/\s+/g, ' ').trim();
    line = '';
    if (text === '') return;
    if (out !== '' && last && at) {
      const apart = last.y - at.y;
      const far = apart < 0 || apart > PARAGRAPH_GAP * Math.max(last.height, at.height);
      if (far) out += '\n\n';
      // A word that was cut at the end of a line is whole again.
      else if (/\p{Ll}-$/u.test(out) && /^\p{Ll}/u.test(text)) out = out.slice(0, -1);
      else out += ' ';
    }
    out += text;
    last = at ?? last;
    at = undefined;
  };
  for (const { str, hasEOL, height, transform } of pieces) {
    line += str;
    if (str.trim() !== '') at ??= { y: transform[5] ?? 0, height };
    if (hasEOL) end();
  }
  end();
  return out;
}
