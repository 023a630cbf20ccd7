/** The files of a model that the user has: of a folder, or by path. */
import { chunksOf } from './chunks.js';
import { HeatseekError } from './errors.js';
import { type FileSource, type Sink, partsOf, pour, verify } from './files.js';
import type { LocalSource } from './protocol.js';
import type { Totals } from './totals.js';

/** What reading files needs. */
export interface LocalFilesOptions {
  readonly source: LocalSource;
  /** Expected sums by file. */
  readonly sha256: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly totals: Totals;
}

/** Reads files where they are. */
export class LocalFiles implements FileSource {
  readonly #options: LocalFilesOptions;

  constructor(options: LocalFilesOptions) {
    this.#options = options;
  }

  async file(path: string, sink: Sink): Promise<string | undefined> {
    const { source: { files }, sha256, signal, totals } = this.#options;
    const parts = partsOf(path);
    try {
      const blob = files instanceof Map ? (files as ReadonlyMap<string, Blob>).get(path) : await within(files as FileSystemDirectoryHandle, parts);
      if (!blob) return `it is not among the files given${elsewhere(files, path)}`;
      sink.begin(blob.size, sha256[path] !== undefined);
      totals.begin(path, blob.size);
      const add = (chunk: Uint8Array): void => totals.add(path, chunk.byteLength);
      await pour(chunksOf(blob.stream() as ReadableStream<Uint8Array<ArrayBuffer>>), signal, (chunk) => sink.append(chunk), add);
    } catch (cause) {
      if (!(cause instanceof DOMException)) throw cause;
      const why = cause.name === 'NotAllowedError' ? 'ask for it by requestPermission() of its folder' : 'was it moved or changed?';
      throw new HeatseekError('invalid_input', `${path} of the model could not be read; ${why}`, { cause });
    }
    await verify(sink, sha256[path], path);
    totals.end(path);
    return undefined;
  }

  async settle(): Promise<void> {
    this.#options.totals.settle();
  }
}

/** A file of a folder, if there is one. */
async function within(folder: FileSystemDirectoryHandle, parts: readonly string[]): Promise<File | undefined> {
  try {
    for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part);
    return await (await folder.getFileHandle(parts.at(-1) as string)).getFile();
  } catch (error) {
    if (['NotFoundError', 'TypeMismatchError'].includes((error as Error).name)) return undefined;
    throw error;
  }
}

/** Where else a file of that name is, as when the folder above was picked. */
function elsewhere(files: LocalSource['files'], path: string): string {
  if (!(files instanceof Map)) return ` in ${(files as FileSystemDirectoryHandle).name || 'the folder'}`;
  const found = [...files.keys()].find((other: string) => other.endsWith(`/${path}`));
  return found === undefined ? '' : `; there is ${found}, so give its folder`;
}
