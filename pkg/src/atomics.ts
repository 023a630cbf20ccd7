/**
 * Sleeping and waking for the CPU kernels' threads: what WebAssembly has instructions for, but stable Rust has not. The
 * engine's generated JavaScript imports this.
 */
let words: Int32Array | undefined;

/** Says which memory the addresses below are of. */
export function useMemory(memory: WebAssembly.Memory): void {
  // Memory that grows leaves this view what it was, and the words that threads sleep on are in front.
  words = new Int32Array(memory.buffer);
}

/** Sleeps while the word at `address` is `expected`, for at most so many milliseconds. */
export function wait(address: number, expected: number, milliseconds: number): void {
  if (words) Atomics.wait(words, address >> 2, expected | 0, milliseconds);
}

/** Wakes up to `most` threads that sleep on the word at `address`. */
export function wake(address: number, most: number): void {
  if (words) Atomics.notify(words, address >> 2, most);
}
