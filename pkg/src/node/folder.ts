/** Folders and files with the interface of the web's handles, as far as it is used here. */
import { mkdir, open, readdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes that are read at a time. */
const CHUNK_BYTES = 1 << 20;

/** A folder, which need not be there yet. */
export class Folder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get name(): string {
    return this.#path;
  }

  get handle(): FileSystemDirectoryHandle {
    return this as unknown as FileSystemDirectoryHandle;
  }

  readonly kind = 'directory';

  async make(): Promise<void> {
    await told(mkdir(this.#path, { recursive: true }));
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<Folder> {
    const folder = new Folder(join(this.#path, name));
    if (create) await folder.make();
    if (!(await told(stat(folder.#path))).isDirectory()) throw new DOMException(`${folder.#path} is no folder`, 'TypeMismatchError');
    return folder;
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<FileInFolder> {
    const path = join(this.#path, name);
    if (create) await told(open(path, 'a').then((file) => file.close()));
    if (!(await told(stat(path))).isFile()) throw new DOMException(`${path} is no file`, 'TypeMismatchError');
    return new FileInFolder(path, this.#path);
  }

  async removeEntry(name: string, { recursive = false } = {}): Promise<void> {
    const path = join(this.#path, name);
    if (recursive) return told(rm(path, { recursive: true }));
    await told((await told(stat(path))).isDirectory() ? rmdir(path) : unlink(path));
  }

  async *keys(): AsyncGenerator<string, void, void> {
    yield* await told(readdir(this.#path));
  }

  async *entries(): AsyncGenerator<[string, Folder | FileInFolder], void, void> {
    for (const entry of await told(readdir(this.#path, { withFileTypes: true }))) {
      const path = join(this.#path, entry.name);
      yield [entry.name, entry.isDirectory() ? new Folder(path) : new FileInFolder(path, this.#path)];
    }
  }
}

/** A file that is there. */
export class FileInFolder {
  readonly kind = 'file';
  readonly #path: string;
  readonly #folder: string;

  constructor(path: string, folder: string) {
    this.#path = path;
    this.#folder = folder;
  }

  getFile(): Promise<Contents> {
    return openFile(this.#path);
  }

  /** Writes to the disk, and does not return before it is there. */
  async createSyncAccessHandle(): Promise<object> {
    const file = await told(open(this.#path, 'r+'));
    const folder = this.#folder;
    return {
      truncate: (size: number) => told(file.truncate(size)),
      write: async (bytes: Uint8Array, { at }: { at: number }) => (await told(file.write(bytes, 0, bytes.length, at))).bytesWritten,
      async flush() {
        await told(file.sync());
        // The name is on the disk too; not every system opens folders.
        await open(folder, 'r').then(async (opened) => {
          try {
            await opened.sync();
          } finally {
            await opened.close();
          }
        }).catch(() => {});
      },
      close: () => told(file.close()),
    };
  }
}

/** What of a `File` is asked here: not all of it is in memory at once. */
export interface Contents {
  readonly size: number;
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The file at `path`, which is opened when it is read. */
export async function openFile(path: string): Promise<Contents> {
  const { size } = await told(stat(path));
  return {
    size,
    stream: () => new ReadableStream(reading(path, size), { highWaterMark: 0 }),
    arrayBuffer: () => new Response(new ReadableStream(reading(path, size))).arrayBuffer(),
  };
}

function reading(path: string, size: number): UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> {
  let file: Awaited<ReturnType<typeof open>> | undefined;
  return {
    async pull(controller) {
      file ??= await told(open(path, 'r'));
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size));
      const { bytesRead } = chunk.length > 0 ? await told(file.read(chunk, 0, chunk.length)) : { bytesRead: 0 };
      if (bytesRead > 0) return controller.enqueue(chunk.subarray(0, bytesRead));
      await file.close();
      controller.close();
    },
    async cancel() {
      await file?.close();
    },
  };
}

/** An error as the web's handles have it. */
async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const names: Record<string, string> = {
      ENOENT: 'NotFoundError', ENOTDIR: 'TypeMismatchError', ENOSPC: 'QuotaExceededError', EDQUOT: 'QuotaExceededError',
    };
    throw new DOMException(message, names[code ?? ''] ?? 'NotReadableError');
  }
}
