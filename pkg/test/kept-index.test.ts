import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Control } from '../src/control.js';
import { UNFINISHED, type IndexFiles, type IndexPlace } from '../src/index-files.js';
import { KeptIndex, type KeepingPlaces } from '../src/kept-index.js';
import { Opfs } from '../src/opfs-files.js';
import { FakeFile, FakeFolder, Faults } from './fake-opfs.js';
import { FakeIndex, fakeMaker } from './fake-index.js';

beforeEach(() => vi.stubGlobal('FileSystemFileHandle', FakeFile));
afterEach(() => vi.restoreAllMocks());

const document = (id: string) => ({ id, text: `text of ${id}` });
const opfsOf = (root: FakeFolder) => new Opfs(async () => root as unknown as FileSystemDirectoryHandle);
const unlocked = async () => () => {};
const placesOf = (...places: IndexPlace[]): KeepingPlaces => ({ places, lock: unlocked });
/** Nobody stops it; or somebody does, at the look after so many. */
function control(looks = Infinity, progress: ConstructorParameters<typeof Control>[1] = () => {}): Control {
  const abort = new AbortController();
  return new Control(abort.signal, progress, {
    giveWay: async () => {
      if (looks-- === 0) abort.abort('enough');
    },
  });
}
const ids = ({ index }: KeptIndex) => index.documents().map(({ id }) => id).sort();

async function add(kept: KeptIndex, ...names: string[]): Promise<void> {
  await kept.index.add(names.map(document), undefined, undefined as never);
  await kept.commit();
}

describe('in files', () => {
  let faults: Faults;
  let root: FakeFolder;
  let places: KeepingPlaces;
  beforeEach(() => {
    faults = new Faults();
    root = new FakeFolder(faults);
    places = placesOf(opfsOf(root));
  });
  const open = (name = 'notes', from?: Uint8Array, looking = control()) => KeptIndex.open(name, fakeMaker, from, places, looking);
  const folder = (name = 'notes') =>
    ((root.entriesByName.get('heatseek') as FakeFolder).entriesByName.get('indexes') as FakeFolder).entriesByName.get(name) as FakeFolder;

  test('what was added and removed is there at the next visit', async () => {
    const kept = await open();
    expect(kept.keeping).toEqual({ persisted: 'opfs' });
    await add(kept, 'a', 'b');
    await add(kept, 'c');
    kept.index.remove(['b']);
    await kept.commit();
    kept.close();
    expect(ids(await open())).toEqual(['a', 'c']);
    expect(await opfsOf(root).names()).toEqual(['notes']);
  });

  test('files are flushed before the manifest is begun, and it before anything is removed', async () => {
    const kept = await open();
    folder().entriesByName.set('old', new FakeFile(faults, 'old'));
    faults.log.length = 0;
    await add(kept, 'a');
    const order = faults.log.filter((step, at) => step !== faults.log[at - 1]);
    expect(order).toEqual([
      'make segment-2', 'truncate segment-2', 'write segment-2', 'flush segment-2',
      'make manifest-b', 'truncate manifest-b', 'write manifest-b', 'flush manifest-b', 'remove old',
    ]);
  });

  test('cut off after every step, it opens with all that was told to be stored', async () => {
    const changes: ((kept: KeptIndex) => Promise<void>)[] = [
      (kept) => add(kept, 'a', 'b'),
      (kept) => add(kept, 'c'),
      async (kept) => {
        kept.index.remove(['a']);
        await kept.commit();
      },
    ];
    const states = [[], ['a', 'b'], ['a', 'b', 'c'], ['b', 'c']];
    const outcomes = new Set<number>();
    for (let step = 0; ; step++) {
      faults = new Faults();
      root = new FakeFolder(faults);
      places = placesOf(opfsOf(root));
      faults.left = step;
      let told = -1;
      const cut = await (async () => {
        const kept = await open();
        const lost = () => kept.keeping.persisted === 'memory';
        if (lost()) return true;
        told = 0;
        for (const change of changes) {
          await change(kept);
          if (lost()) return true;
          told++;
        }
        return false;
      })();
      faults = new Faults();
      root = root.copy(faults);
      places = placesOf(opfsOf(root));
      const found = ids(await open());
      const state = states.findIndex((state) => JSON.stringify(state) === JSON.stringify(found));
      expect(state, `cut off after ${step} steps: ${found.join()}`).toBeGreaterThanOrEqual(told);
      expect(state).toBeLessThanOrEqual(told + 1);
      outcomes.add(state);
      if (!cut) break;
      expect(step).toBeLessThan(100);
    }
    expect([...outcomes].sort()).toEqual([0, 1, 2, 3]);
  });

  test('an import cut off after every step is there whole or not at all', async () => {
    const archive = new TextEncoder().encode(JSON.stringify([document('a'), document('b')]));
    let absent = 0;
    for (let step = 0; ; step++) {
      faults = new Faults();
      root = new FakeFolder(faults);
      places = placesOf(opfsOf(root));
      faults.left = step;
      const told = (await open('notes', archive)).keeping.persisted === 'opfs';
      root = root.copy(new Faults());
      places = placesOf(opfsOf(root));
      const listed = await opfsOf(root).names();
      const found = ids(await open());
      if (told || found.length > 0) expect(found, `after ${step} steps`).toEqual(['a', 'b']);
      if (found.length === 0) expect(listed.length + absent++).toBe(absent - 1);
      if (told) break;
      expect(step).toBeLessThan(100);
    }
    expect(absent).toBeGreaterThan(5);
    await expect(open('notes', archive)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(/already/) });
    expect(ids(await open())).toEqual(['a', 'b']);
  });

  test('opening it can be stopped before each file and at the end, which leaves it as it was', async () => {
    const kept = await open();
    for (const name of 'abcd') await add(kept, name);
    kept.close();
    const release = vi.fn();
    places = { ...places, lock: async () => release };
    const read = vi.spyOn(FakeFile.prototype, 'getFile');
    const freed = vi.spyOn(FakeIndex.prototype, 'free');
    const files = folder().entriesByName.size;
    const before = [...faults.log];
    for (let looks = 0; looks <= files; looks++) {
      read.mockClear();
      await expect(open('notes', undefined, control(looks))).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
      expect(read, `stopped at look ${looks}`).toHaveBeenCalledTimes(looks);
      expect(release).toHaveBeenCalledTimes(looks + 1);
    }
    expect(freed).toHaveBeenCalledTimes(1);
    expect(faults.log).toEqual(before);
    const told: number[][] = [];
    expect(ids(await open('notes', undefined, control(files + 1, ({ loaded, total }) => told.push([loaded, total]))))).toEqual([...'abcd']);
    expect(told).toEqual(Array.from({ length: files + 1 }, (_, at) => [at, files]));
  });

  test('making it can be stopped until it is stored, and nothing is left of it', async () => {
    const archive = new TextEncoder().encode(JSON.stringify([document('a'), document('b')]));
    const imported = vi.spyOn(FakeIndex.prototype, 'import');
    const freed = vi.spyOn(FakeIndex.prototype, 'free');
    let looks = 0;
    for (; ; looks++) {
      const opened = await open('notes', archive, control(looks)).catch((error: unknown) => error);
      if (opened instanceof KeptIndex) break;
      expect(opened).toMatchObject({ code: 'aborted' });
      expect(await opfsOf(root).names(), `stopped at look ${looks}`).toEqual([]);
      expect(freed).toHaveBeenCalledTimes(looks + 1);
    }
    // Before the import, after it, and after it was stored.
    expect([looks, imported.mock.calls.length]).toEqual([3, 3]);
    expect(ids(await open())).toEqual(['a', 'b']);
  });

  test('a deletion cut off after every step leaves all of it or nothing', async () => {
    const kept = await open();
    await add(kept, 'a');
    const before = root;
    let outcomes = '';
    for (let step = 0; ; step++) {
      faults = new Faults();
      root = before.copy(faults);
      faults.left = step;
      const told = await opfsOf(root).delete('notes').catch(() => undefined);
      root = root.copy(new Faults());
      places = placesOf(opfsOf(root));
      const listed = await opfsOf(root).names();
      const found = ids(await open());
      expect(listed).toEqual(found.length > 0 ? ['notes'] : []);
      outcomes += found.length;
      if (told) break;
      expect(step).toBeLessThan(100);
    }
    expect(outcomes).toMatch(/^1+0+$/);
    expect(await opfsOf(new FakeFolder(new Faults())).delete('notes')).toBe(false);
  });

  test('without room it goes on in memory, says so, and stores all when there is room again', async () => {
    const kept = await open();
    await add(kept, 'a');
    faults.room = 10;
    await add(kept, 'b');
    expect(kept.keeping).toEqual({
      persisted: 'memory',
      warning: expect.stringMatching(/^the index 'notes' is in memory only.*QuotaExceededError: full.*free some space/),
    });
    expect(ids(kept)).toEqual(['a', 'b']);
    // Whatever was written of it is gone, and what was there is there.
    expect([...folder().entriesByName.keys()].sort()).toEqual(['manifest-a', 'manifest-b', 'segment-2']);
    const visit = () => KeptIndex.open('notes', fakeMaker, undefined, placesOf(opfsOf(root.copy(new Faults()))), control());
    expect(ids(await visit())).toEqual(['a']);
    faults.room = Infinity;
    await add(kept, 'c');
    expect(kept.keeping).toEqual({ persisted: 'opfs' });
    expect(ids(await visit())).toEqual(['a', 'b', 'c']);
  });

  test('names are folders of their own on every file system', async () => {
    for (const name of ['Notes', 'notes', 'Ä b', '日本', 'a%b', '..x']) (await open(name)).close();
    const parent = (root.entriesByName.get('heatseek') as FakeFolder).entriesByName.get('indexes') as FakeFolder;
    for (const name of parent.entriesByName.keys()) expect(name).toMatch(/^[a-z0-9_%-]+$/);
    expect((await opfsOf(root).names()).sort()).toEqual(['..x', 'Notes', 'a%b', 'notes', 'Ä b', '日本'].sort());
  });

  test('a damaged index is an error, and stays as it is', async () => {
    const kept = await open();
    await add(kept, 'a');
    kept.close();
    folder().entriesByName.delete('segment-2');
    const release = vi.fn();
    places = { ...places, lock: async () => release };
    await expect(open()).rejects.toMatchObject({ message: 'segment-2 is missing' });
    expect(release).toHaveBeenCalledTimes(1);
    expect(folder().entriesByName.has('manifest-b')).toBe(true);
  });

  test('files that nobody here can write: a new index goes elsewhere, one that is there is an error', async () => {
    await add(await open(), 'a');
    vi.stubGlobal('FileSystemFileHandle', class {});
    await expect(open()).rejects.toMatchObject({ code: 'unsupported', message: expect.stringMatching(/worker: false/) });
    expect((await open('other')).keeping.persisted).toBe('memory');
  });
});

describe('where', () => {
  const empty: IndexFiles = {
    list: async () => [],
    read: async () => undefined,
    write: async () => {},
    remove: async () => {},
    close: vi.fn(),
  };
  const place = (kind: IndexPlace['kind'], files: Partial<IndexFiles>, there = false): IndexPlace => ({
    kind,
    names: async () => [],
    open: async (_, make) => (make || there ? { ...empty, ...files } : undefined),
    delete: vi.fn(async () => false),
  });
  const refusing = (kind: IndexPlace['kind']): IndexPlace => {
    const refuse = async (): Promise<never> => {
      throw new DOMException('private', 'SecurityError');
    };
    return { kind, names: refuse, open: refuse, delete: refuse };
  };
  const full = async (): Promise<never> => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  const open = (...places: IndexPlace[]) => KeptIndex.open('notes', fakeMaker, undefined, placesOf(...places), control());

  test('the first place that works is taken, and the others are left as they were', async () => {
    expect((await open(place('opfs', {}), place('indexeddb', {}))).keeping.persisted).toBe('opfs');
    expect((await open(refusing('opfs'), place('indexeddb', {}))).keeping).toEqual({ persisted: 'indexeddb' });
    const failing = place('opfs', { write: full });
    expect((await open(failing, place('indexeddb', {}))).keeping.persisted).toBe('indexeddb');
    expect(failing.delete).toHaveBeenCalledWith('notes');
  });

  test('an index is opened where it is, though a better place works by now', async () => {
    expect((await open(place('opfs', {}), place('indexeddb', {}, true))).keeping.persisted).toBe('indexeddb');
  });

  test('in no place it is in memory, and says why', async () => {
    const kept = await open(refusing('opfs'), place('indexeddb', { write: full }));
    expect(kept.keeping).toEqual({
      persisted: 'memory',
      warning:
        "the index 'notes' is in memory only, and ends with the page (opfs: SecurityError: private; indexeddb: QuotaExceededError: full)",
    });
    await add(kept, 'a');
    expect(ids(kept)).toEqual(['a']);
  });

  test('without locks nothing is kept, for two tabs would write over each other', async () => {
    const lock = async () => {
      throw new Error('no locks');
    };
    const write = vi.fn(async () => {});
    const kept = await KeptIndex.open('notes', fakeMaker, undefined, { places: [place('opfs', { write })], lock }, control());
    expect(kept.keeping).toEqual({ persisted: 'memory', warning: expect.stringMatching(/Web Locks: Error: no locks/) });
    expect(write).not.toHaveBeenCalled();
  });

  test('closing lets go of the lock and of the engine', async () => {
    const release = vi.fn();
    const kept = await KeptIndex.open('notes', fakeMaker, undefined, { places: [place('opfs', {})], lock: async () => release }, control());
    expect(release).not.toHaveBeenCalled();
    kept.close();
    expect(release).toHaveBeenCalledTimes(1);
    expect(kept.index).toMatchObject({ freed: true });
  });

  test('one that is locked is neither read nor written', async () => {
    const { HeatseekError } = await import('../src/errors.js');
    const open = vi.fn();
    const lock = async () => {
      throw new HeatseekError('locked', 'open already');
    };
    const places = [{ ...place('opfs', {}), open }];
    await expect(KeptIndex.open('notes', fakeMaker, undefined, { places, lock }, control())).rejects.toMatchObject({ code: 'locked' });
    expect(open).not.toHaveBeenCalled();
  });

  test('an index without a name is kept nowhere', async () => {
    const kept = new KeptIndex(fakeMaker.fresh());
    await add(kept, 'a');
    expect(kept.keeping).toEqual({ persisted: 'memory' });
    expect(UNFINISHED).not.toMatch(/^(manifest|vectors|documents)-/);
  });
});
