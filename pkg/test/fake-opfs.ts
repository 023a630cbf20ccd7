/** An origin private file system in memory, whose power can fail after any step of it. */

/** What every call gives once the power is gone. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

type Entry = FakeFolder | FakeFile;

/** What may go wrong, for all handles of one system. */
export class Faults {
  /** How many steps that change something are still done; the one after them is done by half. */
  left = Infinity;
  /** Bytes that may still be written. */
  room = Infinity;
  /** What was done. */
  readonly log: string[] = [];

  /** Does a step that changes something: `half` if the power fails in it. */
  step(what: string, whole: () => void, half: () => void = () => {}): void {
    if (this.left < 0) throw new PowerCut();
    this.left--;
    if (this.left < 0) {
      half();
      throw new PowerCut();
    }
    whole();
    this.log.push(what);
  }
}

const missing = (name: string) => new DOMException(`no ${name}`, 'NotFoundError');

/** A folder and its handle. */
export class FakeFolder {
  readonly kind = 'directory';
  readonly entriesByName = new Map<string, Entry>();
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** The same files for another visit. */
  copy(faults: Faults): FakeFolder {
    const copy = new FakeFolder(faults);
    for (const [name, entry] of this.entriesByName) copy.entriesByName.set(name, entry.copy(faults));
    return copy;
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeFolder> {
    return this.#entry(name, create, FakeFolder) as FakeFolder;
  }
  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    return this.#entry(name, create, FakeFile) as FakeFile;
  }
  async removeEntry(name: string, { recursive = false } = {}): Promise<void> {
    const entry = this.entriesByName.get(name);
    if (!entry) throw missing(name);
    if (entry instanceof FakeFolder && entry.entriesByName.size > 0) {
      if (!recursive) throw new DOMException('not empty', 'InvalidModificationError');
      for (const inside of [...entry.entriesByName.keys()]) await entry.removeEntry(inside, { recursive });
    }
    this.#faults.step(`remove ${name}`, () => this.entriesByName.delete(name));
  }
  async *keys(): AsyncGenerator<string> {
    yield* this.entriesByName.keys();
  }
  async *entries(): AsyncGenerator<[string, Entry]> {
    yield* this.entriesByName.entries();
  }

  #entry(name: string, create: boolean, Kind: typeof FakeFolder | typeof FakeFile): Entry {
    const found = this.entriesByName.get(name);
    if (found) {
      if (!(found instanceof Kind)) throw new DOMException('of another kind', 'TypeMismatchError');
      return found;
    }
    if (!create) throw missing(name);
    const made = new Kind(this.#faults, name);
    this.#faults.step(`make ${name}`, () => this.entriesByName.set(name, made));
    return made;
  }
}

/** A file and its handle. */
export class FakeFile {
  readonly kind = 'file';
  bytes = new Uint8Array();
  readonly #faults: Faults;
  readonly #name: string;

  constructor(faults: Faults, name = '') {
    this.#faults = faults;
    this.#name = name;
  }

  copy(faults: Faults): FakeFile {
    const copy = new FakeFile(faults, this.#name);
    copy.bytes = this.bytes.slice();
    return copy;
  }

  async getFile(): Promise<Blob> {
    return new Blob([this.bytes]);
  }

  /** As workers have it, with writes that take only so much at a time. */
  async createSyncAccessHandle(): Promise<object> {
    const faults = this.#faults;
    return {
      truncate: (size: number) =>
        faults.step(`truncate ${this.#name}`, () => { this.bytes = this.bytes.slice(0, size); }),
      write: (bytes: Uint8Array, { at }: { at: number }) => {
        const taken = bytes.subarray(0, Math.max(1, Math.ceil(bytes.length / 2)));
        if (taken.length > faults.room) throw new DOMException('full', 'QuotaExceededError');
        const put = (part: Uint8Array) => {
          const grown = new Uint8Array(Math.max(this.bytes.length, at + part.length));
          grown.set(this.bytes);
          grown.set(part, at);
          this.bytes = grown;
          faults.room -= part.length;
        };
        faults.step(`write ${this.#name}`, () => put(taken), () => put(taken.subarray(0, taken.length >> 1)));
        return taken.length;
      },
      flush: () => faults.step(`flush ${this.#name}`, () => {}),
      close: () => {},
    };
  }
}
