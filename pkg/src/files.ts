/** Where the files of a model come from, and where they go. */
import { abortedError } from './aborted.js';
import { HeatseekError } from './errors.js';

/** Where the bytes of one file go as they arrive. */
export interface Sink {
  /**
   * A file of `length` bytes begins, or begins anew; undefined if nobody knows how long it is. With `summed` its sum will
   * be asked for, and is best computed while it arrives.
   */
  begin(length: number | undefined, summed: boolean): void;
  /** The next bytes, to be copied: their memory is used again. A promise has the download wait. */
  append(chunk: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** The SHA-256 of what has been appended, in lower-case hexadecimal. */
  sha256(): string | Promise<string>;
}

/** The files of one model. */
export interface FileSource {
  /**
   * Brings a file into `sink`, whole and the right one.
   * @returns why there is no such file; undefined where there is
   */
  file(path: string, sink: Sink): Promise<string | undefined>;
  /** All that was wanted has been brought: these files, and the model is that of no others. */
  settle(paths: readonly string[]): Promise<void>;
}

/** Passes chunks on, stopping between them. */
export async function pour(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
  ...takers: ((chunk: Uint8Array<ArrayBuffer>) => void | Promise<void>)[]
): Promise<void> {
  for await (const chunk of chunks) {
    for (const take of takers) {
      stopIfAborted(signal);
      const full = take(chunk);
      if (full) await full;
    }
  }
  stopIfAborted(signal);
}

/** Fails if the file in `sink` has another sum than `expected`. */
export async function verify(sink: Sink, expected: string | undefined, name: string): Promise<void> {
  if (expected === undefined) return;
  const actual = await sink.sha256();
  if (actual !== expected) {
    throw new HeatseekError('model_invalid', `${name} has SHA-256 ${actual}, not ${expected}: it is another file`);
  }
}

/**
 * The parts of a path within a model's folder.
 * @throws HeatseekError of one that leads out of it, as only a file that was tampered with names
 */
export function partsOf(path: string): string[] {
  const parts = path.split('/');
  if (parts.some((part) => ['', '.', '..'].includes(part))) {
    throw new HeatseekError('model_invalid', `the model names a file ${JSON.stringify(path)}, which is not in its folder`);
  }
  return parts;
}

export function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortedError(signal.reason);
}

/** Waits, but not when aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(abortedError(signal.reason));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
