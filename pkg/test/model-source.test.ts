/** What models are loaded from, up to where their files arrive. */
import { expect, test } from 'vitest';
import { LocalFiles } from '../src/local-files.js';
import { localSource } from '../src/local-source.js';
import type { LocalSource } from '../src/protocol.js';
import { modelSource, remoteSource } from '../src/source.js';
import { Totals } from '../src/totals.js';
import { sha256 } from './flaky-server.js';
import { collector } from './loading.js';

const CONFIG = new TextEncoder().encode('{"model_type": "bert"}');

/** A file as a picker gives it. */
function picked(path: string, bytes: BlobPart = CONFIG): File {
  const file = new File([bytes], path.split('/').at(-1)!);
  Object.defineProperty(file, 'webkitRelativePath', { value: path.includes('/') ? path : '' });
  return file;
}

/** A folder as the File System API gives it. */
function folder(tree: Record<string, unknown>, denied = false): FileSystemDirectoryHandle {
  const find = async (name: string, kind: 'file' | 'directory') => {
    if (denied) throw new DOMException('no', 'NotAllowedError');
    const found = tree[name];
    if (found === undefined) throw new DOMException('none', 'NotFoundError');
    if ((found instanceof File) !== (kind === 'file')) throw new DOMException('another', 'TypeMismatchError');
    return found;
  };
  return {
    kind: 'directory',
    getFileHandle: async (name: string) => ({ getFile: async () => find(name, 'file') }),
    getDirectoryHandle: async (name: string) => folder((await find(name, 'directory')) as Record<string, unknown>),
  } as unknown as FileSystemDirectoryHandle;
}

function open(source: LocalSource, sums: Record<string, string> = {}) {
  const progress: unknown[] = [];
  const abort = new AbortController();
  const totals = new Totals((step) => progress.push(step));
  return { progress, abort, files: new LocalFiles({ source, sha256: sums, signal: abort.signal, totals }) };
}

const shared = new Uint8Array(new SharedArrayBuffer(CONFIG.length));
shared.set(CONFIG);

test.each<[string, unknown]>([
  ['an object of bytes', { 'config.json': CONFIG, '1_Pooling/config.json': CONFIG }],
  ['an object of buffers', { './config.json': CONFIG.slice().buffer, './1_Pooling/config.json': new Blob([CONFIG]) }],
  ['an object without a prototype', Object.assign(Object.create(null), { 'config.json': CONFIG, '1_Pooling/config.json': CONFIG })],
  ['memory that is shared', { 'config.json': shared, '1_Pooling/config.json': shared }],
  ['a map', new Map([['config.json', CONFIG], ['1_Pooling/config.json', CONFIG]])],
  ['a picked folder', [picked('minilm/config.json'), picked('minilm/1_Pooling/config.json')]],
  ['a folder', folder({ 'config.json': picked('config.json'), '1_Pooling': { 'config.json': picked('config.json') } })],
])('%s gives its files', async (_, model) => {
  const { files, progress } = open(localSource(model));
  for (const path of ['config.json', '1_Pooling/config.json']) {
    const { sink, state, bytes } = collector();
    expect(await files.file(path, sink)).toBeUndefined();
    expect(bytes().equals(CONFIG)).toBe(true);
    expect(state.length).toBe(CONFIG.length);
  }
  expect(progress.at(-1)).toEqual({ stage: 'download', loaded: 44, total: 44, file: '1_Pooling/config.json' });
  for (const path of ['modules.json', '2_Dense/config.json', 'config.json/x']) {
    expect(await files.file(path, collector().sink)).toMatch(/^it is not among the files given/);
  }
});

test('picked files that have no folder are known by their names', async () => {
  const { files } = open(localSource([picked('config.json')]));
  expect(await files.file('config.json', collector().sink)).toBeUndefined();
});

test('who picked the folder above is told', async () => {
  const { files } = open(localSource([picked('models/minilm/config.json')]));
  expect(await files.file('config.json', collector().sink)).toBe('it is not among the files given; there is minilm/config.json, so give its folder');
});

test('files of the user’s are checked, may be refused, and stop when told', async () => {
  const bytes = { 'config.json': CONFIG };
  const wrong = open(localSource(bytes), { 'config.json': '0'.repeat(64) });
  await expect(wrong.files.file('config.json', collector().sink)).rejects.toMatchObject({
    code: 'model_invalid', message: `config.json has SHA-256 ${sha256(CONFIG)}, not ${'0'.repeat(64)}: it is another file`,
  });
  const denied = open(localSource(folder({}, true)));
  await expect(denied.files.file('config.json', collector().sink)).rejects.toMatchObject({
    code: 'invalid_input', message: expect.stringMatching(/^config.json of the model could not be read; ask for it by requestPermission/),
  });
  const outside = open(localSource(bytes));
  await expect(outside.files.file('../config.json', collector().sink)).rejects.toMatchObject({ code: 'model_invalid' });
  const stopped = open(localSource(bytes));
  stopped.abort.abort('enough');
  await expect(stopped.files.file('config.json', collector().sink)).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
});

class Own {}
test.each<[unknown, RegExp]>([
  [undefined, /^model is undefined; expected a hub id, a path, a URL, the handle of a folder, a FileList, an array of Files, or files by path$/],
  [new Own(), /^model is an object; expected/],
  [{}, /^model has no files/],
  [[], /^model has no files/],
  [{ 'config.json': 'text' }, /^model\['config.json'\] is 'text'; expected a Blob, an ArrayBuffer or a Uint8Array$/],
  [{ 'config.json': new Float32Array(2) }, /^model\['config.json'\] is an object; expected/],
  [['config.json'], /^model\[0\] is 'config.json'; expected a File$/],
  [[new Blob([])], /^model\[0\] is an object; expected a File$/],
  [new Map([[1, CONFIG]]), /^model: a path is 1; expected a string$/],
  [new File([], 'model.safetensors'), /^model is one file; expected the folder of all its files/],
  [{ kind: 'file', name: 'model.safetensors' }, /^model is one file/],
  [[picked('config.json'), picked('config.json')], /^model has two files 'config.json'/],
])('%o is refused', (model, message) => {
  expect(() => modelSource(model, {})).toThrow(expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(message) }));
});

test('a signature is kept apart from the address', () => {
  expect(remoteSource('https://cdn.test/m?sig=a%2Fb#x', {})).toEqual({ base: 'https://cdn.test/m/', query: '?sig=a%2Fb', immutable: false });
});

test('a hub of your own has its files where the hub has them', () => {
  expect(remoteSource('a/b', { hub: 'https://mirror.test/hf' })).toEqual({
    base: 'https://mirror.test/hf/a/b/resolve/main/', query: '', immutable: false,
    listing: 'https://mirror.test/hf/api/models/a/b/tree/main?recursive=true',
  });
  expect(remoteSource('a/b', { hub: new URL('http://localhost:8000/'), revision: 'refs/pr/1' }).base).toBe('http://localhost:8000/a/b/resolve/refs%2Fpr%2F1/');
});

test.each<[string, object, RegExp]>([
  ['https://user:secret@cdn.test/m/', {}, /^model is a URL with a user name or password; give it as a header by `headers`$/],
  ['https://user:secret@cdn .test/m/?sig=secret', {}, /^model is 'https:….*', which is not a URL here$/],
  ['a/b', { hub: 'https://user:secret@mirror.test/' }, /^hub is a URL with a user name/],
  ['a/b', { hub: 7 }, /^hub is 7; expected a URL$/],
  ['a/b', { hub: 'mirror.test' }, /^hub is 'mirror.test', which is not a URL here$/],
  ['a/b', { revision: '' }, /^revision is ''; expected a branch, a tag or a commit$/],
  ['https://cdn.test/m/', { hub: 'https://mirror.test/' }, /^hub is given, but only a hub id has one$/],
])('%s with %j is refused, without its secrets', (model, address, message) => {
  let told = '';
  try {
    modelSource(model, address);
  } catch (error) {
    told = (error as Error).message;
  }
  expect(told).toMatch(message);
  expect(told).not.toContain('secret');
});

test('files have no revision', () => {
  expect(() => modelSource({ 'config.json': CONFIG }, { revision: 'v1' })).toThrow("revision is given, but files of the user's are not fetched");
});
