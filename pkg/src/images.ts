/** Pictures as callers have them, made into what can be posted to the engine. */
import { invalid } from './coerce.js';
import { HeatseekError } from './errors.js';
import { host } from './host.js';
import type { PostedImage } from './protocol.js';
import type { ImageInput } from './types.js';

const EXPECTED = 'a URL, Blob, File, ImageBitmap, ImageData, <img> or canvas';

/** One picture or an array of them. */
export async function images(what: string, given: unknown): Promise<PostedImage[]> {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  return Promise.all(Array.from(list, (image, at) => posted(image, list === given ? `${what}[${at}]` : what)));
}

async function posted(given: unknown, what: string): Promise<PostedImage> {
  const image = given as ImageInput;
  if (typeof image === 'string' || image instanceof URL) {
    try {
      return new URL((await host())?.addressOf(String(image)) ?? image, globalThis.document?.baseURI).href;
    } catch {
      throw invalid(what, String(image), 'an address, absolute or relative to the page');
    }
  }
  if (is(image, 'Blob') || is(image, 'ImageBitmap') || is(image, 'ImageData')) return image as PostedImage;
  if (is(image, 'HTMLImageElement')) return bitmapOfElement(image as HTMLImageElement, what);
  if (is(image, 'HTMLCanvasElement') || is(image, 'OffscreenCanvas')) return bitmap(image as HTMLCanvasElement, what);
  throw invalid(what, given, EXPECTED);
}

/** Whether this environment has the class and `value` is one. */
function is(value: unknown, name: string): boolean {
  const found = (globalThis as Record<string, unknown>)[name];
  return typeof found === 'function' && value instanceof found;
}

async function bitmapOfElement(image: HTMLImageElement, what: string): Promise<ImageBitmap> {
  try {
    await image.decode();
  } catch (cause) {
    throw new HeatseekError('invalid_input', `${what} is an <img> without a picture: ${image.src || 'it has no src'}`, { cause });
  }
  return bitmap(image, what);
}

async function bitmap(source: HTMLImageElement | HTMLCanvasElement | OffscreenCanvas, what: string): Promise<ImageBitmap> {
  const { width, height } = source;
  if ('getContext' in source && (width === 0 || height === 0)) {
    throw new HeatseekError('invalid_input', `${what} is a canvas of ${width} × ${height} pixels; there must be at least one`);
  }
  try {
    return await createImageBitmap(source, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  } catch (cause) {
    throw new HeatseekError('invalid_input', `${what} gave no pixels`, { cause });
  }
}
