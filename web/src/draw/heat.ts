/**
 * The one colour map of the page: from cold ash to white heat. Its lightness rises in even steps of OKLab, so that
 * equal differences look equal, in grey too. On dark ground and over pictures cold is dark; on paper it runs backwards.
 */

const COUNT = 256;
// OKLCH at the cold and the hot end: lightness, and hue in degrees. Chroma is highest between, as of glowing coal.
const LIGHTNESS = [0.16, 0.97] as const;
const HUE = [25, 92] as const;
const CHROMA = [0.02, 0.17] as const;

const BYTES = shades();

/** The colours from cold to hot, each as the four bytes of a pixel. */
export const SHADES = new Uint32Array(BYTES.buffer);
/** The same for paper: cold is pale. */
export const PAPER_SHADES = SHADES.slice().reverse();

function shades(): Uint8ClampedArray<ArrayBuffer> {
  const bytes = new Uint8ClampedArray(COUNT * 4).fill(255);
  for (let shade = 0; shade < COUNT; shade++) {
    const at = shade / (COUNT - 1);
    const lightness = between(LIGHTNESS, at);
    const chroma = between(CHROMA, Math.sin(Math.PI * Math.min(1, at * 0.98)));
    bytes.set(srgb(lightness, chroma, (between(HUE, at ** 2) * Math.PI) / 180), shade * 4);
  }
  return bytes;
}

function between([from, to]: readonly [number, number], at: number): number {
  return from + (to - from) * at;
}

/** OKLCH, hue in radians, to sRGB bytes; chroma shrinks until the colour exists. Matrices of https://bottosson.github.io/posts/oklab/. */
export function srgb(lightness: number, chroma: number, hue: number): [number, number, number] {
  for (let c = chroma; ; c -= 0.002) {
    const a = c * Math.cos(hue);
    const b = c * Math.sin(hue);
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    const linear = [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ];
    if (c > 0 && linear.some((x) => x < 0 || x > 1)) continue;
    const [red = 0, green = 0, blue = 0] = linear.map((x) => 255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055));
    return [red, green, blue];
  }
}

/** The shade of `share`, 0 the coldest and 1 the hottest: an index into {@link SHADES} and {@link PAPER_SHADES}. */
export function shadeOf(share: number): number {
  return Math.round(Math.max(0, Math.min(1, Number.isFinite(share) ? share : 0)) * (COUNT - 1));
}

/** The whole map as a background of CSS, from left to right. */
export function heatGradient(shades: Uint32Array = SHADES): string {
  const stops = Array.from({ length: 17 }, (_, stop) => rgb(shades[shadeOf(stop / 16)] ?? 0));
  return `linear-gradient(90deg, ${stops.join(', ')})`;
}

/** A colour of {@link SHADES} for CSS. */
export function rgb(shade: number): string {
  const [red, green, blue] = new Uint8Array(Uint32Array.of(shade).buffer);
  return `rgb(${red} ${green} ${blue})`;
}

/**
 * Draws numbers row by row, a pixel each. `share` says how hot a number is, from 0 to 1.
 * The canvas is as large as the numbers are many; CSS sizes it.
 */
export function drawHeat(
  canvas: HTMLCanvasElement, values: ArrayLike<number>, columns: number, shades: Uint32Array, share: (value: number) => number,
): void {
  const rows = Math.ceil(values.length / Math.max(1, columns));
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context || values.length === 0) return;
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < values.length; i++) pixels[i] = shades[shadeOf(share(values[i] ?? 0))] ?? 0;
  context.putImageData(image, 0, 0);
}
