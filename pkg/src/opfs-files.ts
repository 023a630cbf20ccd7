/** Files of indexes in the origin private file system. */
import { HeatseekError } from './errors.js';
import { UNFINISHED, isMissing, type IndexFiles, type IndexPlace } from './index-files.js';
import { OpfsFolders, listed } from './opfs.js';
import type { IndexFile } from './wasm-index.js';

/** How often, and after how many milliseconds, a file is tried again that a worker which has just ended had open. */
const TRIES = 20;
const TRY_AGAIN_MS = 50;

/** Indexes in their folders. */
export class Opfs extends OpfsFolders implements IndexPlace {
  async open(name: string, make: boolean): Promise<IndexFiles | undefined> {
    const folder = await this.folder(name, make);
    if (!folder) return undefined;
    if ((await listed(folder)).includes(UNFINISHED)) {
      await this.delete(name);
      return this.open(name, make);
    }
    if (!make && (await listed(folder)).length === 0) return undefined;
    const write = this.kind === 'folder' ? writeSynced : writer();
    if (write) return new OpfsFiles(folder, write);
    if (make) throw new Error('its files cannot be written here');
    throw new HeatseekError(
      'unsupported',
      `the index '${name}' is in files that this browser lets only workers write; load the model without worker: false`,
    );
  }
}

class OpfsFiles implements IndexFiles {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #write: Write;

  constructor(folder: FileSystemDirectoryHandle, write: Write) {
    this.#folder = folder;
    this.#write = write;
  }

  list(): Promise<string[]> {
    return listed(this.#folder);
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const file = await (await this.#folder.getFileHandle(name)).getFile();
      return new Uint8Array(await file.arrayBuffer());
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async write(files: readonly IndexFile[]): Promise<void> {
    for (const { name, bytes } of files) await this.#write(await this.#folder.getFileHandle(name, { create: true }), bytes);
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.#folder.removeEntry(name).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    }
  }

  close(): void {}
}

type Write = (handle: FileSystemFileHandle, bytes: Uint8Array<ArrayBuffer>) => Promise<void>;

/** How files are written here; undefined if they cannot be. */
function writer(): Write | undefined {
  const can = globalThis.FileSystemFileHandle?.prototype;
  // Workers have it, and it alone can wait for the disk.
  if (can && 'createSyncAccessHandle' in can) return writeSynced;
  return can && 'createWritable' in can ? writeStreamed : undefined;
}

const writeSynced: Write = async (handle, bytes) => {
  // Older Safari's methods give promises.
  const access = await accessed(handle);
  try {
    await access.truncate(0);
    for (let at = 0; at < bytes.length; ) {
      const written = await access.write(bytes.subarray(at), { at });
      if (written === 0) throw new DOMException('the file system takes no more', 'QuotaExceededError');
      at += written;
    }
    await access.flush();
  } finally {
    await access.close();
  }
};

/** What the types of a page's thread do not have. */
interface SyncAccess {
  truncate(size: number): unknown;
  write(bytes: Uint8Array, options: { readonly at: number }): number | Promise<number>;
  flush(): unknown;
  close(): unknown;
}

async function accessed(handle: FileSystemFileHandle): Promise<SyncAccess> {
  for (let tries = 1; ; tries++) {
    try {
      return await (handle as unknown as { createSyncAccessHandle(): Promise<SyncAccess> }).createSyncAccessHandle();
    } catch (error) {
      if (tries === TRIES || (error as Error).name !== 'NoModificationAllowedError') throw error;
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
    }
  }
}

const writeStreamed: Write = async (handle, bytes) => {
  const stream = await handle.createWritable();
  try {
    await stream.write(bytes);
  } catch (error) {
    await stream.abort().catch(() => {});
    throw error;
  }
  await stream.close();
};
