/** How far adding text has come, how fast it goes and how long it will take. */

import type { Indexing } from '../state.ts';

/** The first moments say little about the rest. */
const FIRST_SECONDS = 0.2;
const FORESEE_SECONDS = 2;
const FORESEE_SHARE = 0.02;

export class Pace {
  readonly #now: () => number;
  /** In bytes of files. */
  #expected = 0;
  #done = 0;
  #files = { total: 0, done: 0 };
  #passages = 0;
  #documents = 0;
  #began: number | undefined;
  #name = '';
  #batch = { weight: 0, documents: 0, parts: 1, loaded: 0, total: 0 };

  /** @param now milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** One more file. */
  expect(bytes: number): void {
    this.#expected += bytes;
    this.#files.total += 1;
  }

  /** A file is being read. */
  reading(name: string): void {
    this.#name = name;
  }

  /** So much need not be done: it is not what time is measured by. */
  passOver(bytes: number): void {
    this.#expected -= bytes;
  }

  /** Documents are being embedded; `parts` is how many their file has. */
  begin(name: string, weight: number, documents: number, parts: number): void {
    this.#began ??= this.#now();
    this.#name = name;
    this.#batch = { weight, documents, parts, loaded: 0, total: 0 };
  }

  /** So many of their passages are. */
  at(loaded: number, total: number): void {
    this.#batch = { ...this.#batch, loaded, total };
  }

  /** All of them are. */
  end(): void {
    const { weight, documents, total } = this.#batch;
    this.#done += weight;
    this.#passages += total;
    this.#documents += documents;
    this.#batch = { ...this.#batch, weight: 0, documents: 0, loaded: 0 };
  }

  /** A file is done. */
  finished(): void {
    this.#files.done += 1;
  }

  /** Passages of the documents that were embedded last. */
  get lastPassages(): number {
    return this.#batch.total;
  }

  said(): Indexing {
    const { weight, documents, parts, loaded, total } = this.#batch;
    const fraction = total === 0 ? 0 : loaded / total;
    const share = this.#expected <= 0 ? 0 : Math.min(1, (this.#done + weight * fraction) / this.#expected);
    const seconds = this.#began === undefined ? 0 : (this.#now() - this.#began) / 1000;
    const passages = this.#passages + loaded;
    const amount = this.#files.total > 1
      ? { done: this.#files.done, total: this.#files.total, unit: 'files' as const }
      : parts > 1
        ? { done: this.#documents + Math.floor(documents * fraction), total: parts, unit: 'passages' as const }
        : { done: loaded, total, unit: 'passages' as const };
    return {
      name: this.#name,
      share,
      ...amount,
      perSecond: passages > 0 && seconds > FIRST_SECONDS ? passages / seconds : undefined,
      secondsLeft: seconds > FORESEE_SECONDS && share > FORESEE_SHARE ? (seconds * (1 - share)) / share : undefined,
    };
  }
}
