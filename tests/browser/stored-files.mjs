// Runs in pages: the files of an index as they lie in the browser, and a full check of them. It knows what
// docs/index-format.md says and nothing of the library.

/** Every file of an index by its name, as bytes; none if there is no such index. */
export async function storedFiles(place, index) {
  const read = { opfs: inFolder, indexeddb: inDatabase }[place];
  return new Map(await read(index));
}

async function inFolder(index) {
  const files = [];
  try {
    let folder = await navigator.storage.getDirectory();
    for (const part of ['heatseek', 'indexes', index]) folder = await folder.getDirectoryHandle(part);
    for await (const [name, handle] of folder.entries()) files.push([name, new Uint8Array(await (await handle.getFile()).arrayBuffer())]);
  } catch (error) {
    if (error.name !== 'NotFoundError') throw error;
  }
  return files;
}

async function inDatabase(index) {
  const request = indexedDB.open('heatseek-indexes', 1);
  // Where there is none it is not made, which is for the library.
  request.onupgradeneeded = () => request.transaction.abort();
  const database = await answer(request).catch(() => undefined);
  if (!database) return [];
  const range = IDBKeyRange.bound([index], [index, []]);
  const store = database.transaction('files').objectStore('files');
  const [keys, values] = await Promise.all([answer(store.getAllKeys(range)), answer(store.getAll(range))]);
  database.close();
  return keys.map(([, name], at) => [name, values[at]]);
}

const answer = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/**
 * What is wrong with these files, in words; how many were compared with their sums; the newest whole manifest, how many are
 * torn, and which files it does not name.
 */
export async function fullCheck(files) {
  const manifests = [];
  let torn = 0;
  for (const [name, bytes] of files) {
    if (!name.startsWith('manifest-')) continue;
    const manifest = await whole(bytes);
    if (manifest) manifests.push(manifest);
    else torn++;
  }
  const [newest] = manifests.sort((a, b) => b.generation - a.generation);
  const faults = newest ? [] : ['no manifest is whole'];
  const named = (newest?.segments ?? []).flatMap(({ vectors, documents }) => (documents ? [vectors, documents] : [vectors]));
  for (const { name, bytes, sha256 } of named) {
    const file = files.get(name);
    if (!file) faults.push(`${name} is not there`);
    else if (file.length !== bytes) faults.push(`${name} has ${file.length} bytes, not ${bytes}`);
    else if ((await sum(file)) !== sha256) faults.push(`${name} has another SHA-256 than its manifest says`);
  }
  const unnamed = [...files.keys()].filter((name) => /^(vectors|documents)-/.test(name) && !named.some((file) => file.name === name));
  return { faults, checked: named.length, manifest: newest, torn, unnamed };
}

/** The manifest in a file, `{"sha256":"…","manifest":{…}}` and a line end; undefined if the sum is not that of the value. */
async function whole(bytes) {
  const [start, end] = ['{"sha256":"'.length + 64 + '","manifest":'.length, bytes.length - '}\n'.length];
  const text = (from, to) => new TextDecoder().decode(bytes.subarray(from, to));
  if (end <= start || text('{"sha256":"'.length, start) !== `${await sum(bytes.subarray(start, end))}","manifest":`) return undefined;
  return JSON.parse(text(start, end));
}

async function sum(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
