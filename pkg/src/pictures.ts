/** Pictures as they were posted, made into what the engine's core decodes. */
import { abortedError } from './aborted.js';
import { HeatseekError } from './errors.js';
import { fetchHere } from './host.js';
import type { PostedImage, RawPicture } from './protocol.js';

/** `what` names the picture in messages. */
export async function rawPicture(image: PostedImage, what: string, signal: AbortSignal): Promise<RawPicture> {
  if (typeof image === 'string') return { bytes: await download(image, what, signal) };
  // Not by instanceof: classes of another realm are as good.
  if ('arrayBuffer' in image) return { bytes: await read(image, what) };
  return 'data' in image ? image : pixels(image, what);
}

async function download(url: string, what: string, signal: AbortSignal): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetchHere(url, { signal });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    if (signal.aborted) throw abortedError(signal.reason);
    throw new HeatseekError('network', `${what} could not be fetched: ${url}`, { cause });
  }
  const code = response.status === 404 ? 'not_found' : 'network';
  throw new HeatseekError(code, `${what} could not be fetched: ${url} answered ${response.status}`);
}

async function read(blob: Blob, what: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw new HeatseekError('invalid_input', `${what} could not be read; was the file moved or changed?`, { cause });
  }
}

function pixels(bitmap: ImageBitmap, what: string): RawPicture {
  const { width, height } = bitmap;
  try {
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('there is no 2d context');
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    const why = 'was it closed, transferred, or drawn from another origin?';
    throw new HeatseekError('invalid_input', `${what} gave no pixels; ${why}`, { cause });
  }
}
