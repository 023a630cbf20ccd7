/** From files that the caller has to what can be posted. */
import { describe, invalid } from './coerce.js';
import { HeatseekError } from './errors.js';
import type { LocalSource } from './protocol.js';

const EXPECTED = 'a Blob, an ArrayBuffer or a Uint8Array';

/** The files of `model`, a ModelSource that is no address. */
export function localSource(model: unknown): LocalSource {
  if (typeof model !== 'object' || model === null) throw unknown(model);
  const { kind } = model as { kind?: unknown };
  if (kind === 'directory' && 'getDirectoryHandle' in model) return { files: model as FileSystemDirectoryHandle };
  if (model instanceof Blob || kind === 'file') {
    throw new HeatseekError('invalid_input', 'model is one file; expected the folder of all its files');
  }
  const list = Array.isArray(model) || (typeof FileList !== 'undefined' && model instanceof FileList);
  const named = list ? [...(model as readonly unknown[])].map(picked) : entries(model);
  if (named.length === 0) throw new HeatseekError('invalid_input', 'model has no files');
  const files = new Map<string, Blob>();
  for (const [path, blob] of named) {
    if (files.has(path)) {
      throw new HeatseekError('invalid_input', `model has two files ${describe(path)}; give them by path`);
    }
    files.set(path, blob);
  }
  return { files };
}

/** A file of a list, by its path in the folder that was picked. */
function picked(file: unknown, at: number): [string, Blob] {
  if (!(file instanceof File)) throw invalid(`model[${at}]`, file, 'a File');
  return [file.webkitRelativePath?.replace(/^[^/]*\//, '') || file.name, file];
}

function entries(model: object): [string, Blob][] {
  // A class of the caller's, or of another kind of handle, has no files by path.
  const plain = [Object.prototype, null].includes(Object.getPrototypeOf(model) as object | null);
  if (!(model instanceof Map) && !plain) throw unknown(model);
  const all: [unknown, unknown][] = model instanceof Map ? [...model] : Object.entries(model);
  return all.map(([path, content]) => {
    if (typeof path !== 'string') throw invalid('model: a path', path, 'a string');
    return [path.replace(/^\.\//, ''), blobOf(path, content)];
  });
}

/** Blobs are posted without a copy, and browsers hold them outside of the script's memory. */
function blobOf(path: string, content: unknown): Blob {
  if (content instanceof Blob) return content;
  if (!(content instanceof ArrayBuffer) && !(content instanceof Uint8Array)) throw invalid(`model['${path}']`, content, EXPECTED);
  // A Blob takes no memory that threads share.
  const shared = content instanceof Uint8Array && !(content.buffer instanceof ArrayBuffer);
  return new Blob([shared ? new Uint8Array(content) : (content as BlobPart)]);
}

function unknown(model: unknown): HeatseekError {
  return invalid('model', model, 'a hub id, a path, a URL, the handle of a folder, a FileList, an array of Files, or files by path');
}
