/** Files as they come in: dropped, chosen, or read again by a handle that was kept. Folders are walked through. */

import { formatOf } from '../reading/formats.ts';
import type { Stamp } from './sources.ts';

/** A file to read when its turn comes. */
export interface Incoming extends Stamp {
  readonly open: () => Promise<File>;
}

/** What came in at once. */
export interface Arrival {
  readonly label: string;
  readonly files: readonly Incoming[];
  /** With which the files can be read again in a later visit; empty where the browser has none. */
  readonly handles: readonly FileSystemHandle[];
  /** How many files in folders are of no kind that is read. */
  readonly skipped: number;
}

interface Found {
  readonly files: Incoming[];
  skipped: number;
}

/** What programs keep for themselves. */
const isHidden = (name: string): boolean => name.startsWith('.') || name === 'node_modules';

/** Of Chromium's family. */
interface Handing extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

/** What was dropped. To be called before the event is over: later the browser has nothing to give. */
export async function dropped(transfer: DataTransfer): Promise<Arrival> {
  const items = [...transfer.items].filter(({ kind }) => kind === 'file').map((item) => ({
    // Not every file has a handle: those of other programs and of tests have none.
    handle: (item as Handing).getAsFileSystemHandle?.().catch(() => null),
    entry: item.webkitGetAsEntry?.() ?? null,
    file: item.getAsFile(),
  }));
  const found: Found = { files: [], skipped: 0 };
  const handles: FileSystemHandle[] = [];
  const names: string[] = [];
  let kept = true;
  for (const { handle, entry, file } of items) {
    const got = (await handle) ?? null;
    names.push(got?.name ?? entry?.name ?? file?.name ?? '');
    if (got) handles.push(got);
    else kept = false;
    if (got?.kind === 'directory') await walkHandle(got as FileSystemDirectoryHandle, '', found);
    else if (!got && entry?.isDirectory) await walkEntry(entry as FileSystemDirectoryEntry, '', found);
    else if (file) found.files.push(incoming(file, file.name));
  }
  return { label: labelOf(names), ...found, handles: kept ? handles : [] };
}

/** What an input gave; with `webkitdirectory` files have paths. */
export function chosen(list: readonly File[]): Arrival {
  const found: Found = { files: [], skipped: 0 };
  const names = new Set<string>();
  for (const file of list) {
    const path = file.webkitRelativePath || file.name;
    const folders = path.split('/');
    names.add(folders[0] ?? path);
    if (folders.length > 1 && folders.some(isHidden)) continue;
    // A file that was chosen by itself is named when it is refused.
    if (folders.length > 1 && formatOf(file.name) === undefined) found.skipped += 1;
    else found.files.push(incoming(file, path));
  }
  return { label: labelOf([...names]), ...found, handles: [] };
}

/** What can be read by handles. */
export async function opened(handles: readonly FileSystemHandle[], label = labelOf(handles.map(({ name }) => name))): Promise<Arrival> {
  const found: Found = { files: [], skipped: 0 };
  for (const handle of handles) {
    if (handle.kind === 'directory') await walkHandle(handle as FileSystemDirectoryHandle, '', found);
    else found.files.push(incoming(await (handle as FileSystemFileHandle).getFile(), handle.name));
  }
  return { label, ...found, handles };
}

function labelOf(names: readonly string[]): string {
  const [first = 'files', ...others] = names;
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}

function incoming(file: File, path: string): Incoming {
  return { file: path, size_bytes: file.size, modified: file.lastModified, open: () => Promise.resolve(file) };
}

async function walkHandle(folder: FileSystemDirectoryHandle, above: string, found: Found): Promise<void> {
  const path = `${above}${folder.name}`;
  for await (const handle of folder.values()) {
    if (isHidden(handle.name)) continue;
    if (handle.kind === 'directory') await walkHandle(handle as FileSystemDirectoryHandle, `${path}/`, found);
    else if (formatOf(handle.name) === undefined) found.skipped += 1;
    else found.files.push(incoming(await (handle as FileSystemFileHandle).getFile(), `${path}/${handle.name}`));
  }
}

async function walkEntry(folder: FileSystemDirectoryEntry, above: string, found: Found): Promise<void> {
  const path = `${above}${folder.name}`;
  const reader = folder.createReader();
  const some = (): Promise<FileSystemEntry[]> => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  // It gives a hundred at a time, and none when there are no more.
  for (let entries = await some(); entries.length > 0; entries = await some()) {
    for (const entry of entries) {
      if (isHidden(entry.name)) continue;
      if (entry.isDirectory) await walkEntry(entry as FileSystemDirectoryEntry, `${path}/`, found);
      else if (formatOf(entry.name) === undefined) found.skipped += 1;
      else {
        const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
        found.files.push(incoming(file, `${path}/${entry.name}`));
      }
    }
  }
}
