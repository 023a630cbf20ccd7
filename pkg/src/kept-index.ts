/** An index and where it is kept: changes are on the disk before anybody hears of them. */
import type { Control } from './control.js';
import { HeatseekError } from './errors.js';
import { host } from './host.js';
import { IndexedDb } from './indexed-db-files.js';
import { UNFINISHED, type IndexFiles, type IndexPlace } from './index-files.js';
import { lock } from './index-lock.js';
import type { Persisted } from './index-types.js';
import { Opfs } from './opfs-files.js';
import type { IndexCommit, IndexMaker, WasmIndex } from './wasm-index.js';

/** Where an index is kept now, and what its owner should know of that. */
export interface Keeping {
  readonly persisted: Persisted;
  readonly warning?: string;
}

/** What the browser has for this; tests have their own. */
export interface KeepingPlaces {
  /** The first that works is taken. */
  readonly places: readonly IndexPlace[];
  readonly lock: (name: string) => Promise<() => void>;
}

/** The browser's, or outside of browsers a folder of the user's. */
export async function placesHere(): Promise<KeepingPlaces> {
  const node = await host();
  if (!node) return { places: [new Opfs(), new IndexedDb()], lock };
  return { places: [new Opfs(() => node.indexes(), 'folder')], lock: (name) => lock(name, node.locks) };
}

/** An index in WebAssembly with its files, if it has any. */
export class KeptIndex {
  readonly index: WasmIndex;
  readonly #name: string | undefined;
  #kept: { readonly kind: IndexPlace['kind']; readonly files: IndexFiles } | undefined;
  #release: () => void = () => {};
  /** Why what has changed is not on the disk. */
  #failure: string | undefined;

  /** An index that is kept nowhere. */
  constructor(index: WasmIndex, name?: string) {
    this.index = index;
    this.#name = name;
  }

  /**
   * Opens the index of this name, or makes it if there is none; of `from`, which was exported, if that is given. Where
   * the browser lets nothing be kept it is an index in memory that says so. If it is to stop, nothing has been made, and what
   * there is stays as it was.
   *
   * @throws `locked` if it is open already; what its files say if they are not such an index, which stay as they are;
   *   `invalid_input` if there is one already and another is to be imported
   */
  static async open(
    name: string, maker: IndexMaker, from: Uint8Array | undefined, { places, lock }: KeepingPlaces, control: Control,
  ): Promise<KeptIndex> {
    const refused = new Map<string, string>();
    const refuse = (what: string, error: unknown): void => {
      if (error instanceof HeatseekError) throw error;
      refused.set(what, `${what}: ${said(error)}`);
    };
    let release: (() => void) | undefined;
    try {
      release = await lock(name).catch((error: unknown) => refuse('Web Locks', error)) ?? undefined;
      // Without locks two tabs would write over each other.
      const usable = release ? places : [];
      for (const place of usable) {
        const files = await place.open(name, false).catch((error: unknown) => refuse(place.kind, error));
        if (!files) continue;
        try {
          if (from) throw new HeatseekError('invalid_input', `there is an index '${name}' already; delete it first, or import under another name`);
          const kept = new KeptIndex(await readAll(maker, files, control), name);
          kept.#kept = { kind: place.kind, files };
          kept.#release = release ?? kept.#release;
          await kept.commit();
          return kept;
        } catch (error) {
          files.close();
          throw error;
        }
      }
      for (const place of usable) {
        // Another place begins anew.
        const kept = new KeptIndex(await filled(maker.opening([]).finish(), from, control), name);
        const why = await kept.#begin(place, name, from !== undefined, control);
        if (why === undefined) {
          kept.#release = release ?? kept.#release;
          return kept;
        }
        kept.close();
        refuse(place.kind, why);
      }
      const kept = new KeptIndex(await filled(maker.fresh(), from, control), name);
      kept.#failure = [...refused.values()].join('; ');
      release?.();
      return kept;
    } catch (error) {
      release?.();
      throw error;
    }
  }

  /** Where it is kept. */
  get keeping(): Keeping {
    const warning = this.warning;
    const persisted = this.#failure === undefined ? (this.#kept?.kind ?? 'memory') : 'memory';
    return warning === undefined ? { persisted } : { persisted, warning };
  }

  /** What has to be said of that. */
  get warning(): string | undefined {
    if (this.#failure === undefined) return undefined;
    const what = `the index '${this.#name}' is in memory only, and ends with the page (${this.#failure})`;
    if (!this.#kept) return what;
    return `${what}; what was stored before is still there, and the next change tries to store all: free some space, or export it`;
  }

  /**
   * Stores what has changed. Where that fails the index goes on in memory and nothing that was stored before is lost;
   * the next time, all of it is tried again.
   */
  async commit(): Promise<void> {
    if (!this.#kept) return;
    const why = await this.#store(this.#kept.files);
    this.#failure = why === undefined ? undefined : said(why);
  }

  /** Ends it. */
  close(): void {
    this.index.free();
    this.#kept?.files.close();
    this.#release();
  }

  /** Makes its files in a place; says what went wrong, and leaves nothing there then. */
  async #begin(place: IndexPlace, name: string, imported: boolean, control: Control): Promise<unknown> {
    let files: IndexFiles | undefined;
    try {
      files = await place.open(name, true);
      if (!files) throw new Error('it gave no files');
      // An import that is cut off is none.
      if (imported) await files.write([{ name: UNFINISHED, bytes: new Uint8Array() }]);
      const why = await this.#store(files);
      if (why !== undefined) throw why;
      if (imported) await files.remove([UNFINISHED]);
      await control.look();
    } catch (error) {
      files?.close();
      await place.delete(name).catch(() => {});
      return error;
    }
    this.#kept = { kind: place.kind, files };
    return undefined;
  }

  /** Carries out what there is to store; says what went wrong. */
  async #store(files: IndexFiles): Promise<unknown> {
    // One that makes the index or tidies it up may be followed by one that fills it.
    for (let commit = this.index.commit(); commit; commit = this.index.commit()) {
      const why = await this.#carryOut(files, commit);
      if (why !== undefined) return why;
    }
    return this.#compact(files);
  }

  /** Writes small files anew as fewer, now and then; says what went wrong. */
  async #compact(files: IndexFiles): Promise<unknown> {
    for (let names = this.index.compaction(); names; names = this.index.compaction()) {
      const contents = [];
      for (const name of names) contents.push((await files.read(name)) ?? new Uint8Array());
      const commit = this.index.compact(contents);
      // What cannot be done now can wait: all is stored as it is.
      if (!commit || (await this.#carryOut(files, commit)) !== undefined) return undefined;
    }
    return undefined;
  }

  async #carryOut(files: IndexFiles, commit: IndexCommit): Promise<unknown> {
    try {
      await carryOut(files, commit);
    } catch (error) {
      const left = this.index.abandon();
      await files.remove(left).catch(() => {});
      return error;
    }
    this.index.finish();
    return undefined;
  }
}

/** An index, and in it what was exported, if that is given; none if it is to stop. */
export async function filled(index: WasmIndex, from: Uint8Array | undefined, control: Control): Promise<WasmIndex> {
  try {
    if (from) {
      await control.look();
      index.import(from);
    }
    await control.look();
    return index;
  } catch (error) {
    index.free();
    throw error;
  }
}

/** The name and the words of an error of the browser's, which may have only one of them. */
const said = (error: unknown): string => String(error);

/** Does what a commit says, in its order. */
async function carryOut(files: IndexFiles, { files: written, manifest, remove }: IndexCommit): Promise<void> {
  if (written.length > 0) await files.write(written);
  if (manifest) await files.write([manifest]);
  // They are removed when it is opened the next time, if not now.
  if (remove.length > 0) await files.remove(remove).catch(() => {});
}

/** The index that these files are. */
async function readAll(maker: IndexMaker, files: IndexFiles, control: Control): Promise<WasmIndex> {
  const opening = maker.opening(await files.list());
  try {
    // One at a time: a file that cannot be used makes the rest unwanted.
    for (let read = 0; ; read++) {
      const wanted = opening.wanted();
      control.report('read', read, read + wanted.length);
      const [name] = wanted;
      if (name === undefined) break;
      await control.look();
      opening.give(name, await files.read(name));
    }
  } catch (error) {
    opening.free();
    throw error;
  }
  return filled(opening.finish(), undefined, control);
}
