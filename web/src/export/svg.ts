/** A drawing as SVG, for files: made of texts, lines, boxes and small images. */

export class Svg {
  readonly #parts: string[] = [];
  readonly width: number;
  height: number;
  readonly #paper: string;
  readonly #ink: string;

  /** Colours are those of the page at the time. */
  constructor(width: number, height: number) {
    const style = getComputedStyle(document.documentElement);
    this.width = width;
    this.height = height;
    this.#paper = style.getPropertyValue('--paper').trim();
    this.#ink = style.getPropertyValue('--ink').trim();
  }

  text(x: number, y: number, text: string, { size = 14, anchor = 'start', family = 'sans-serif' } = {}): void {
    this.#parts.push(`<text x="${x}" y="${y}" font-size="${size}" font-family="${family}" text-anchor="${anchor}" fill="${this.#ink}" xml:space="preserve">${escaped(text)}</text>`);
  }

  line(points: readonly (readonly [number, number])[], colour: string, width: number, opacity: number): void {
    this.#parts.push(`<polyline points="${points.map((point) => point.join(',')).join(' ')}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-opacity="${opacity.toFixed(4)}"/>`);
  }

  box(x: number, y: number, width: number, height: number, colour: string, opacity: number): void {
    this.#parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="3" fill="${colour}" fill-opacity="${opacity.toFixed(4)}"/>`);
  }

  /** A canvas, enlarged without smoothing. */
  image(x: number, y: number, width: number, height: number, canvas: HTMLCanvasElement): void {
    this.#parts.push(`<image x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>`);
  }

  toString(): string {
    const { width, height } = this;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`
      + `<rect width="${width}" height="${height}" fill="${this.#paper}"/>${this.#parts.join('')}</svg>`;
  }
}

/** Text that stays text in XML and HTML. */
export function escaped(text: string): string {
  // Control characters are not allowed in XML at all.
  const clean = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '');
  return clean.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
