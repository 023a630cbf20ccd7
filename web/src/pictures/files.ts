/** From files to pictures, with a clear word about each that cannot be used. */

import type { Problem } from '../state.ts';
import type { Item, Picture } from './state.ts';

// Browsers give up on more at very different points; a photograph is well below.
const MOST_PIXELS = 100_000_000;
/** Side of a small copy: enough for the tiles on a sharp screen. */
const THUMBNAIL = 256;

/** Decodes a picture, upright. */
export async function decode(blob: Blob, name: string): Promise<Picture | Problem> {
  const quoted = `“${name}”`;
  if (blob.size === 0) return { title: `${quoted} is empty`, advice: 'There is nothing in it to look at.' };
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    const advice = 'Heatseek reads PNG, JPEG, WebP and GIF. The file may be damaged, or be something else with such a name.';
    return { title: `${quoted} is not a picture that can be read`, advice };
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    bitmap.close();
    return { title: `${quoted} is too large`, advice: 'It has more than 100 million pixels. Make it smaller first.' };
  }
  return { name, blob, bitmap };
}

/** A picture with a small copy for the list; the copy's object URL is the receiver's to free. */
export async function thumbnailed(blob: Blob, name: string): Promise<Omit<Item, 'id' | 'vector'> | Problem> {
  const picture = await decode(blob, name);
  if (isProblem(picture)) return picture;
  const { bitmap } = picture;
  const { width, height } = bitmap;
  const scale = Math.min(1, THUMBNAIL / Math.min(width, height));
  const small = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  small.getContext('2d')?.drawImage(bitmap, 0, 0, small.width, small.height);
  bitmap.close();
  const copy = await small.convertToBlob({ type: 'image/webp', quality: 0.85 });
  return { name, blob, thumbnail: URL.createObjectURL(copy), width, height };
}

export function isProblem(value: object): value is Problem {
  return 'advice' in value;
}

/** What was dropped or pasted: files, and all that is in dropped folders. */
export async function transferred(data: DataTransfer): Promise<File[]> {
  // All must be asked for before the first await: the transfer is emptied then.
  const parts = [...data.items]
    .filter(({ kind }) => kind === 'file')
    .map((item) => {
      const entry = item.webkitGetAsEntry();
      return entry?.isDirectory ? (entry as FileSystemDirectoryEntry) : item.getAsFile();
    });
  const files = await Promise.all(parts.map((part) => (part instanceof File ? [part] : part ? filesIn(part) : [])));
  return files.flat();
}

async function filesIn(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  // Browsers hand out a folder in portions and end with an empty one.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (entries.length === 0) return files;
    for (const entry of entries) {
      if (entry.isDirectory) files.push(...(await filesIn(entry as FileSystemDirectoryEntry)));
      else files.push(...(await fileOf(entry as FileSystemFileEntry)));
    }
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File[]> {
  return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([])));
}
