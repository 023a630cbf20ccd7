/** What Node, Deno and Bun have in place of the browser's storage: on a disk, with the same manners. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FileCache } from '../src/cache.js';
import { PART_BYTES, PREFIX } from '../src/cache-layout.js';
import { lock } from '../src/index-lock.js';
import { Opfs } from '../src/opfs-files.js';
import { FolderCaches } from '../src/node/caches.js';
import { Folder } from '../src/node/folder.js';
import * as node from '../src/node/index.js';
import { SocketLocks } from '../src/node/locks.js';

let root: string;
beforeEach(async () => { root = await mkdtemp(join(tmpdir(), 'heatseek-node-')); });
afterEach(() => rm(root, { recursive: true, force: true }));

// A busy machine's disk may take a while.
vi.setConfig({ testTimeout: 60_000 });
const PATIENT = { timeout: 50_000 };

const BASE = 'https://hub.example/owner/name/resolve/main/';

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk)); // A copy: the next one takes its place.
  return Buffer.concat(all);
}

describe('model files', () => {
  const caches = () => new FolderCaches(() => root).storage;

  test('are kept whole, in parts, until they are forgotten', async () => {
    const url = `${BASE}model.safetensors`;
    const content = new Uint8Array(PART_BYTES + 1000).map((_, i) => i % 251);
    const writer = await new FileCache(BASE, caches()).write(url, { tag: 'a', validator: 'v' });
    await writer?.append(content);
    // Broken off: another visit finds the part that was whole.
    const broken = new FileCache(BASE, caches());
    expect(await broken.find(url)).toBeUndefined();
    // It is stored while the next one arrives.
    await vi.waitFor(async () => expect(await broken.findParts(url)).toMatchObject({ parts: 1, bytes: PART_BYTES, validator: 'v' }), PATIENT);
    expect(await writer?.finish()).toBe(true);

    const kept = await new FileCache(BASE, caches()).find(url);
    expect(kept).toMatchObject({ bytes: content.length, tag: 'a' });
    expect((await bytesOf(kept!.chunks())).equals(content)).toBe(true);
    await new FileCache(BASE, caches()).forget(url);
    expect(await new FileCache(BASE, caches()).find(url)).toBeUndefined();
    expect(await caches().keys()).toEqual([PREFIX + BASE]);
    expect([await caches().delete(PREFIX + BASE), await caches().delete(PREFIX + BASE)]).toEqual([true, false]);
    expect(await readdir(join(root, 'models'))).toEqual([]);
  });

  test('that were being written when the process ended are none', async () => {
    const cache = await caches().open('x ../../y');
    await cache.put(`${BASE}a`, new Response('whole', { headers: { 'x-heatseek': '{}' } }));
    const [folder] = await readdir(join(root, 'models'));
    const [file] = (await readdir(join(root, 'models', folder!))).filter((name) => name !== 'name');
    await writeFile(join(root, 'models', folder!, `${file}.unfinished`), 'half');
    expect((await cache.keys()).map(({ url }) => url)).toEqual([`${BASE}a`]);
    expect(await (await cache.match(`${BASE}a`))?.text()).toBe('whole');
    await cache.put(`${BASE}a`, new Response('another'));
    expect(await (await cache.match(`${BASE}a`))?.text()).toBe('another');
  });
});

describe('folders', () => {
  test('have files by name, and say what is not there as browsers do', async () => {
    const { handle } = new Folder(root);
    const nothing = { name: 'NotFoundError' };
    await expect(handle.getFileHandle('a')).rejects.toMatchObject(nothing);
    await expect(handle.getDirectoryHandle('a')).rejects.toMatchObject(nothing);
    await expect(handle.removeEntry('a')).rejects.toMatchObject(nothing);
    const inside = await handle.getDirectoryHandle('inside', { create: true });
    await writeFile(join(root, 'inside', 'a b#?.txt'), 'text');
    await expect(handle.getFileHandle('inside')).rejects.toMatchObject({ name: 'TypeMismatchError' });
    const file = await (await inside.getFileHandle('a b#?.txt')).getFile();
    expect([file.size, Buffer.from(await file.arrayBuffer()).toString()]).toEqual([4, 'text']);
    expect(Buffer.from(await new Response(file.stream()).arrayBuffer()).toString()).toBe('text');
    await expect(handle.removeEntry('inside')).rejects.toMatchObject({ name: 'NotReadableError' });
    await handle.removeEntry('inside', { recursive: true });
    expect(await readdir(root)).toEqual([]);
  });

  test('keep indexes as the origin private file system does', async () => {
    const place = new Opfs(async () => new Folder(root).handle, 'folder');
    expect(await place.open('my notes', false)).toBeUndefined();
    const files = await place.open('my notes', true);
    await files!.write([{ name: 'a', bytes: new Uint8Array([1, 2, 3]) }, { name: 'b', bytes: new Uint8Array() }]);
    await files!.write([{ name: 'a', bytes: new Uint8Array([4]) }]);
    expect([[...(await files!.list())].sort(), [...(await files!.read('a'))!], await files!.read('c')]).toEqual([['a', 'b'], [4], undefined]);
    expect([...(await readFile(join(root, 'heatseek/indexes/my%20notes/a')))]).toEqual([4]);
    expect([await place.names(), place.kind]).toEqual([['my notes'], 'folder']);
    expect([await place.delete('my notes'), await place.delete('my notes'), await place.names()]).toEqual([true, false, []]);
  });
});

describe('paths', () => {
  test.each(['./a b#c', '../a', '/a/b'])('%s is one', (path) => {
    const address = node.addressOf(path)!;
    expect(address).toMatch(/^file:\/\/\//);
    expect(address).not.toMatch(/[ #]/);
  });
  test.each(['owner/name', 'https://a.example/', 'file:///a'])('%s is none', (name) => {
    expect(node.addressOf(name)).toBeUndefined();
  });
  test('files are fetched, and those that are not there answer so', async () => {
    await writeFile(join(root, 'a.wasm'), 'code');
    const response = await node.fetch(pathToFileURL(join(root, 'a.wasm')).href);
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([200, 'application/wasm', 'code']);
    expect((await node.fetch(pathToFileURL(join(root, 'b.wasm')).href)).status).toBe(404);
  });
});

// On Linux and Windows the system has names for sockets that are no files; elsewhere they are files, which a process that was
// killed leaves behind.
describe('locks', () => {
  const on = (platform: NodeJS.Platform): void => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue(platform);
    vi.stubEnv('TMPDIR', root);
  };
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  test.each(['linux', 'darwin'] as const)('on %s one holds each, and the next has it when that lets go', async (platform) => {
    on(platform);
    const locks = new SocketLocks(() => root).manager;
    const release = await lock('notes', locks, 100);
    (await lock('others', locks, 100))();
    await expect(lock('notes', locks, 100)).rejects.toMatchObject({ code: 'locked' });
    const next = lock('notes', locks, 20_000);
    release();
    (await next)();
  });

  test('what a killed process left behind holds nothing', async () => {
    on('darwin');
    const locks = new SocketLocks(() => root).manager;
    (await lock('notes', locks, 100))();
    const release = await lock('notes', locks, 500);
    const [name] = await readdir(root);
    release();
    await vi.waitFor(async () => expect(await readdir(root)).toEqual([]), PATIENT);
    await writeFile(join(root, name!), '');
    (await lock('notes', locks, 100))();
  });
});
