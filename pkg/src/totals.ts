/** How much of all files has arrived. What is told never falls, and is never more than there is. */
import type { Progress } from './progress.js';

// Told a hundred times a load and at the end of every file, not for each of thousands of chunks.
const STEPS = 100;

/** Counts bytes over all files of a load. */
export class Totals {
  readonly #tell: (progress: Progress) => void;
  readonly #files = new Map<string, { loaded: number; total: number }>();
  #loaded = 0;
  #total = 0;
  #over = false;

  constructor(tell: (progress: Progress) => void) {
    this.#tell = tell;
  }

  /** A file begins, or begins anew; undefined if nobody knows how long it is. */
  begin(file: string, bytes: number | undefined): void {
    this.#files.set(file, { loaded: 0, total: bytes ?? 0 });
  }

  /** More of a file. */
  add(file: string, bytes: number): void {
    const size = this.#files.get(file);
    if (!size) return;
    size.loaded += bytes;
    size.total = Math.max(size.total, size.loaded);
    this.#sum(file, false);
  }

  /** A file is whole. */
  end(file: string): void {
    this.#sum(file, true);
  }

  /** All that was wanted is here: what else was on its way counts no more. */
  settle(): void {
    if (this.#loaded < this.#total) this.#tell({ stage: 'download', loaded: this.#total, total: this.#total });
    this.#over = true;
  }

  #sum(file: string, whole: boolean): void {
    if (this.#over) return;
    let loaded = 0;
    let total = 0;
    for (const size of this.#files.values()) {
      loaded += size.loaded;
      total += size.total;
    }
    if (!whole && loaded - this.#loaded < total / STEPS) return;
    // A file that begins anew has less than was told, and may turn out shorter than it was said to be.
    this.#loaded = Math.max(this.#loaded, loaded);
    this.#total = Math.max(this.#total, total);
    this.#tell({ stage: 'download', loaded: this.#loaded, total: this.#total, file });
  }
}
