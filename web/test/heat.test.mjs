// The colour map carries numbers: it must rise evenly, and every shade must say which number it stands for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../src/draw/heat.ts', import.meta.url));
const { outputFiles: [script] } = await build({ entryPoints: [source], bundle: true, format: 'esm', write: false });
const { PAPER_SHADES, SHADES, shadeOf } = await import(`data:text/javascript,${encodeURIComponent(script.text)}`);

const bytes = [...SHADES].map((shade) => [...new Uint8Array(Uint32Array.of(shade).buffer)]);

/** Lightness of OKLab, by the published matrices. */
function lightness([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2104542553 * Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    + 0.793617785 * Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    - 0.0040720468 * Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
}

test('lightness rises in even steps', () => {
  const light = bytes.map(lightness);
  const step = (light[255] - light[0]) / 255;
  assert.ok(light[0] < 0.2 && light[255] > 0.95);
  // A byte of rounding is about half a step.
  for (let i = 8; i < 256; i++) assert.ok(Math.abs(light[i] - light[i - 8] - 8 * step) < step, `shade ${i}`);
});

test('every shade is opaque and the only one of its colour', () => {
  assert.ok(bytes.every(([, , , alpha]) => alpha === 255));
  assert.equal(new Set(SHADES).size, 256);
});

test('paper runs from pale to dark, and shares are bounded', () => {
  assert.deepEqual([...PAPER_SHADES].reverse(), [...SHADES]);
  assert.deepEqual([-1, 0, 0.5, 1, 2, NaN].map(shadeOf), [0, 0, 128, 255, 255, 0]);
});
