/** An index without an engine: documents in segments, two manifests in turn, as `heatseek-search` has it. */
import type { IndexedText } from '../src/protocol.js';
import type { IndexCommit, IndexFile, IndexMaker, WasmIndex, WasmOpening } from '../src/wasm-index.js';

interface Under {
  readonly manifest: Manifest;
  readonly added: number;
  readonly removed: number;
  readonly names: readonly string[];
}

interface Manifest {
  readonly generation: number;
  readonly segments: readonly string[];
  readonly removed: readonly string[];
  readonly end: true;
}

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const decode = <T>(bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as T;
const damaged = (message: string) => ({ code: 'invalid_input', message });

/** What stands in the files, and what has changed since. */
export class FakeIndex implements WasmIndex {
  readonly texts = new Map<string, IndexedText>();
  freed = false;
  #manifest: Manifest = { generation: 0, segments: [], removed: [], end: true };
  #slot = 1;
  #number = 0;
  #added: IndexedText[] = [];
  #removed: string[] = [];
  #fresh = true;
  #under: Under | undefined;

  /** Goes on where these files end. */
  resume(manifest: Manifest, slot: number, listed: readonly string[]): void {
    [this.#manifest, this.#slot, this.#fresh] = [manifest, slot, false];
    this.#number = Math.max(0, ...listed.map((name) => Number(/^segment-(\d+)$/.exec(name)?.[1] ?? 0)));
  }
  warning(): undefined {}
  skipped(): string[] {
    return [];
  }
  import(bytes: Uint8Array): number {
    const documents = decode<IndexedText[]>(bytes);
    void this.add(documents);
    return documents.length;
  }
  compaction(): undefined {}
  compact(): never {
    throw new Error('there was nothing to do');
  }
  documents(): IndexedText[] {
    return [...this.texts.values()];
  }
  async add(documents: readonly IndexedText[]): Promise<number> {
    for (const document of documents) {
      this.texts.set(document.id, document);
      this.#added.push(document);
    }
    return documents.length;
  }
  remove(ids: readonly string[]): number {
    const there = ids.filter((id) => this.texts.delete(id));
    this.#added = this.#added.filter(({ id }) => !there.includes(id));
    this.#removed.push(...there);
    return there.length;
  }
  search(): never {
    throw new Error('no engine');
  }
  facets(): never {
    throw new Error('no engine');
  }
  exported(): Uint8Array<ArrayBuffer> {
    return encode(this.documents());
  }
  commit(): IndexCommit | undefined {
    if (!this.#fresh && this.#added.length + this.#removed.length === 0) return undefined;
    const name = `segment-${++this.#number}`;
    const files: IndexFile[] = this.#added.length > 0 ? [{ name, bytes: encode(this.#added) }] : [];
    const names = files.map((file) => file.name);
    const manifest: Manifest = {
      generation: this.#manifest.generation + 1,
      segments: [...this.#manifest.segments, ...names],
      removed: [...this.#manifest.removed, ...this.#removed],
      end: true,
    };
    this.#under = { manifest, added: this.#added.length, removed: this.#removed.length, names };
    const slot = this.#fresh ? 'manifest-a' : ['manifest-a', 'manifest-b'][1 - this.#slot];
    return { files, manifest: { name: slot as string, bytes: encode(manifest) }, remove: ['old'] };
  }
  finish(): void {
    const { manifest, added, removed } = this.#under as Under;
    this.#slot = this.#fresh ? 0 : 1 - this.#slot;
    [this.#manifest, this.#fresh] = [manifest, false];
    this.#added.splice(0, added);
    this.#removed.splice(0, removed);
  }
  abandon(): readonly string[] {
    return this.#under?.names ?? [];
  }
  free(): void {
    this.freed = true;
  }
}

class FakeOpening implements WasmOpening {
  readonly #listed: readonly string[];
  readonly #files = new Map<string, Uint8Array | undefined>();

  constructor(listed: readonly string[]) {
    this.#listed = listed;
  }
  wanted(): readonly string[] {
    return this.#listed.filter((name) => !this.#files.has(name));
  }
  give(name: string, bytes: Uint8Array | undefined): void {
    this.#files.set(name, bytes);
  }
  free(): void {}
  finish(): FakeIndex {
    const index = new FakeIndex();
    const slots = ['manifest-a', 'manifest-b'].map((name) => {
      try {
        return decode<Manifest>(this.#files.get(name) as Uint8Array);
      } catch {
        return undefined;
      }
    });
    const slot = (slots[1]?.generation ?? 0) > (slots[0]?.generation ?? 0) ? 1 : 0;
    const manifest = slots[slot];
    if (!manifest) {
      if (this.#listed.some((name) => name.startsWith('segment'))) throw damaged('no manifest of this index can be used');
      return index;
    }
    for (const name of manifest.segments) {
      const bytes = this.#files.get(name);
      if (!bytes) throw damaged(`${name} is missing`);
      for (const document of decode<IndexedText[]>(bytes)) index.texts.set(document.id, document);
    }
    for (const id of manifest.removed) index.texts.delete(id);
    index.resume(manifest, slot, this.#listed);
    return index;
  }
}

export const fakeMaker: IndexMaker = {
  fresh: () => new FakeIndex(),
  opening: (names) => new FakeOpening(names),
};
