/** Heat over a picture: where patches lie, what colour they have, and which one is under a finger. */

import type { Crop, PatchGrid } from 'heatseek';

import type { Heat } from '../pictures/state.ts';
import { SHADES, shadeOf } from './heat.ts';
import { isDark } from './theme.ts';

/** Longest side of a drawing in pixels: sharp on most screens, and quick to draw on all. */
const LONGEST = 960;
/** Small pictures are drawn at least so large, or their patches could not be hit. */
const SHORTEST = 480;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels of a drawing for each pixel of its picture. */
export function scaleFor({ width, height }: { readonly width: number; readonly height: number }): number {
  const longest = Math.max(width, height);
  return longest < SHORTEST ? SHORTEST / longest : Math.min(1, LONGEST / longest);
}

/** Where a patch lies, in pixels of a drawing. */
export function patchBox(grid: PatchGrid, crop: Crop, scale: number, patch: number): Box {
  const width = (crop.width / grid.columns) * scale;
  const height = (crop.height / grid.rows) * scale;
  const column = patch % grid.columns;
  const row = Math.floor(patch / grid.columns);
  return { x: crop.x * scale + column * width, y: crop.y * scale + row * height, width, height };
}

/** The patch at a point of a drawing. */
export function patchAt(grid: PatchGrid, crop: Crop, scale: number, x: number, y: number): number | undefined {
  const column = Math.floor(((x / scale - crop.x) / crop.width) * grid.columns);
  const row = Math.floor(((y / scale - crop.y) / crop.height) * grid.rows);
  const inside = column >= 0 && row >= 0 && column < grid.columns && row < grid.rows;
  return inside ? row * grid.columns + column : undefined;
}

/** Heat as pixels: each patch one colour, or bilinear between the middles of patches. */
export function heatPixels(heat: Heat, width: number, height: number, smooth: boolean): ImageData {
  const { values, grid: { rows, columns }, low, high } = heat;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const range = high > low ? high - low : 1;
  const at = (index: number): number => values[index] ?? 0;
  const across = Array.from({ length: width }, (_, x) => between(((x + 0.5) / width) * columns, columns, smooth));
  for (let y = 0; y < height; y++) {
    const [top, bottom, down] = between(((y + 0.5) / height) * rows, rows, smooth);
    across.forEach(([left, right, along], x) => {
      const upper = at(top * columns + left) * (1 - along) + at(top * columns + right) * along;
      const lower = at(bottom * columns + left) * (1 - along) + at(bottom * columns + right) * along;
      pixels[y * width + x] = SHADES[shadeOf((upper * (1 - down) + lower * down - low) / range)] ?? 0;
    });
  }
  return image;
}

/** The two cells around `at`, and how far it is from the first to the second. */
function between(at: number, cells: number, smooth: boolean): [number, number, number] {
  if (!smooth) {
    const cell = Math.min(Math.floor(at), cells - 1);
    return [cell, cell, 0];
  }
  const middle = Math.max(0, Math.min(cells - 1, at - 0.5));
  const first = Math.floor(middle);
  return [first, Math.min(first + 1, cells - 1), middle - first];
}

export interface Drawing {
  readonly picture: ImageBitmap;
  readonly heat: Heat | undefined;
  readonly smooth: boolean;
  readonly opacity: number;
  /** The patch that looks, framed. */
  readonly marked?: number | undefined;
}

/** Draws the picture, what the model did not see dimmed, and the heat on what it saw. */
export function drawOverlay(canvas: HTMLCanvasElement, { picture, heat, smooth, opacity, marked }: Drawing): void {
  const scale = scaleFor(picture);
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  // Setting a canvas's size empties it, which costs a flash.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) return;
  context.clearRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  if (!heat) return;
  const { crop, grid } = heat;
  dim(context, crop, scale, width, height);

  const left = Math.round(crop.x * scale);
  const top = Math.round(crop.y * scale);
  const across = Math.max(1, Math.round((crop.x + crop.width) * scale) - left);
  const down = Math.max(1, Math.round((crop.y + crop.height) * scale) - top);
  const layer = new OffscreenCanvas(across, down);
  layer.getContext('2d')?.putImageData(heatPixels(heat, across, down, smooth), 0, 0);
  context.globalAlpha = opacity;
  context.drawImage(layer, left, top);
  context.globalAlpha = 1;

  for (const patch of heat.hidden) cross(context, patchBox(grid, crop, scale, patch));
  if (marked !== undefined) frame(context, patchBox(grid, crop, scale, marked));
}

/** What the model did not see steps back behind a veil. */
function dim(context: CanvasRenderingContext2D, crop: Crop, scale: number, width: number, height: number): void {
  context.save();
  context.beginPath();
  context.rect(0, 0, width, height);
  context.rect(crop.x * scale, crop.y * scale, crop.width * scale, crop.height * scale);
  context.fillStyle = isDark() ? 'rgb(23 19 16 / 70%)' : 'rgb(250 247 242 / 70%)';
  context.fill('evenodd');
  context.restore();
}

/** A dark and a light line, so that it shows on every picture. */
function frame(context: CanvasRenderingContext2D, { x, y, width, height }: Box): void {
  for (const [colour, line] of [['#140b08', 5], ['#fff8f2', 2]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.strokeRect(x, y, width, height);
  }
}

function cross(context: CanvasRenderingContext2D, { x, y, width, height }: Box): void {
  for (const [colour, line] of [['#140b08', 3], ['#fff8f2', 1]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.beginPath();
    context.moveTo(x + width * 0.25, y + height * 0.25);
    context.lineTo(x + width * 0.75, y + height * 0.75);
    context.moveTo(x + width * 0.75, y + height * 0.25);
    context.lineTo(x + width * 0.25, y + height * 0.75);
    context.stroke();
  }
}
