/** What `host.ts` asks of Node, Deno and Bun. The build makes it one file, `dist/node.js`. */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { extname, isAbsolute, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FolderCaches } from './caches.js';
import { Folder, openFile } from './folder.js';
import { SocketLocks } from './locks.js';

export { Thread as Worker, asWorker, scope } from './thread.js';

const TYPES: Readonly<Record<string, string>> = { '.wasm': 'application/wasm', '.json': 'application/json' };

export function addressOf(name: string): string | undefined {
  // What is absolute on Windows begins like a URL.
  if (!/^\.{0,2}[/\\]/.test(name) && !isAbsolute(name)) return undefined;
  return pathToFileURL(name).href;
}

export async function fetch(url: string, init?: RequestInit): Promise<Response> {
  if (!url.startsWith('file:')) return globalThis.fetch(url, init);
  const path = fileURLToPath(url);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return new Response(undefined, { status: 404, statusText: 'no such file' });
  const headers = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-length': `${found.size}` };
  return new Response((await openFile(path)).stream(), { headers });
}

export const folder = (url: string): FileSystemDirectoryHandle => new Folder(fileURLToPath(url)).handle;

/** As the native library: below `HEATSEEK_CACHE`, or the system's folder for what can be had again. */
export const caches: CacheStorage = new FolderCaches(() =>
  variable('HEATSEEK_CACHE') ?? join(ofUser({ linux: variable('XDG_CACHE_HOME') ?? '~/.cache', darwin: '~/Library/Caches' }), 'heatseek')).storage;

/** Indexes are in `heatseek/indexes` of it. */
const dataFolder = (): string =>
  variable('HEATSEEK_DATA') ?? ofUser({ linux: variable('XDG_DATA_HOME') ?? '~/.local/share', darwin: '~/Library/Application Support' });

export async function indexes(): Promise<FileSystemDirectoryHandle> {
  const made = new Folder(dataFolder());
  await made.make();
  return made.handle;
}

export const locks: LockManager = new SocketLocks(dataFolder).manager;

function variable(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** A folder that the system has for each user. */
function ofUser({ linux, darwin }: { linux: string; darwin: string }): string {
  const windows = variable('LOCALAPPDATA') ?? '~/AppData/Local';
  const path = process.platform === 'win32' ? windows : process.platform === 'darwin' ? darwin : linux;
  return path.replace(/^~/, homedir);
}
