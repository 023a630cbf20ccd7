/** What is shown, as files: PNG, SVG, a page of its own. */

import { escaped } from './svg.ts';
import type { Svg } from './svg.ts';

/** Hands a file to the browser to keep. */
export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function svgFile(svg: Svg): Blob {
  return new Blob([svg.toString()], { type: 'image/svg+xml' });
}

/** Sides beyond this are refused by some browsers. */
const LONGEST = 16_000;

/** Twice as large as on the page, so that it is sharp in print. */
export async function pngFile(svg: Svg): Promise<Blob> {
  const url = URL.createObjectURL(svgFile(svg));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const scale = Math.min(2, LONGEST / svg.width, LONGEST / svg.height);
    const canvas = new OffscreenCanvas(Math.round(svg.width * scale), Math.round(svg.height * scale));
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: 'image/png' });
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** A page that needs nothing but itself: the drawing, what it is, and its numbers. */
export function htmlFile(svg: Svg, title: string, about: readonly string[], numbers: unknown): Blob {
  const json = JSON.stringify(numbers);
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif; background: #faf7f2; color: #221c17 }
svg { max-width: 100%; height: auto }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.75rem }
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
${about.map((line) => `<p>${escaped(line)}</p>`).join('\n')}
${svg.toString()}
<p>Attention shows where information was taken from. It is not an explanation.</p>
<details><summary>The numbers, as JSON</summary><pre id="numbers">${escaped(json)}</pre></details>
</body>
</html>
`;
  return new Blob([html], { type: 'text/html' });
}
