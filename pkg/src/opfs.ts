/** Indexes in the origin private file system: a folder for each, below `heatseek/indexes`. */
import { UNFINISHED, isMissing, type IndexList } from './index-files.js';

/** The folders of indexes below `root`. */
export class OpfsFolders implements IndexList {
  readonly kind: 'opfs' | 'folder';
  readonly #root: () => Promise<FileSystemDirectoryHandle>;

  /** @param kind `folder` of one outside of browsers, with handles as they have in workers */
  constructor(root = originRoot, kind: 'opfs' | 'folder' = 'opfs') {
    this.#root = root;
    this.kind = kind;
  }

  async names(): Promise<string[]> {
    const parent = await this.#parent(false);
    const found: string[] = [];
    for await (const [name, handle] of parent?.entries() ?? []) {
      if (handle.kind !== 'directory') continue;
      const files = await listed(handle as FileSystemDirectoryHandle);
      if (files.length > 0 && !files.includes(UNFINISHED)) found.push(decoded(name));
    }
    return found;
  }

  async delete(name: string): Promise<boolean> {
    const parent = await this.#parent(false);
    const folder = await subfolder(parent, encoded(name), false);
    if (!parent || !folder) return false;
    const files = (await listed(folder)).filter((file) => file !== UNFINISHED);
    if (files.length > 0) {
      // Were it cut off, what is left would look like a damaged index.
      await folder.getFileHandle(UNFINISHED, { create: true });
      for (const file of files) await folder.removeEntry(file);
    }
    await parent.removeEntry(encoded(name), { recursive: true });
    return files.length > 0;
  }

  /** The folder of an index. */
  async folder(name: string, make: boolean): Promise<FileSystemDirectoryHandle | undefined> {
    return subfolder(await this.#parent(make), encoded(name), make);
  }

  async #parent(make: boolean): Promise<FileSystemDirectoryHandle | undefined> {
    return subfolder(await subfolder(await this.#root(), 'heatseek', make), 'indexes', make);
  }
}

async function originRoot(): Promise<FileSystemDirectoryHandle> {
  const { storage } = globalThis.navigator ?? {};
  if (!storage?.getDirectory) throw new Error('there is none');
  return storage.getDirectory();
}

/** The names in a folder. */
export async function listed(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names;
}

async function subfolder(
  parent: FileSystemDirectoryHandle | undefined,
  name: string,
  make: boolean,
): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await parent?.getDirectoryHandle(name, { create: make });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** A name that every file system has, also one to which capitals and the parts of letters are all the same. */
function encoded(name: string): string {
  const bytes = new TextEncoder().encode(name);
  return Array.from(bytes, (byte) => {
    const letter = String.fromCharCode(byte);
    return /[a-z0-9_-]/.test(letter) ? letter : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}

const decoded = decodeURIComponent;
